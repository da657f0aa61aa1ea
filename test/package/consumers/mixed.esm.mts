import { Caching } from 'cachement';
import { memory } from 'cachement/memory';

export const newCaching = (): Caching => new Caching({ adapter: memory(), namespace: 'other' });
export const namespaceOf = (caching: Caching): string => caching.namespace;
