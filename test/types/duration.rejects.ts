import type { Duration } from '../../src/core/shared/duration.js';

// error: Type '"5 minuets"' is not assignable to type 'Duration'
export const unitInWords: Duration = '5 minuets';

// error: Type '"5w"' is not assignable to type 'Duration'
export const unknownUnit: Duration = '5w';

// error: Type '"300"' is not assignable to type 'Duration'
export const numberAsText: Duration = '300';

export const nothing: Duration = undefined; // error: Type 'undefined' is not assignable to type 'Duration'
