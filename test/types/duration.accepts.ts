import type { Duration } from '../../src/core/shared/duration.js';

export const durations: readonly Duration[] = [0, 250, '250ms', '1.5s', '5m', '2h', '30d'];
