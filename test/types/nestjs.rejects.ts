import { memory } from '../../src/adapters/memory/index.js';
import { CachingModule } from '../../src/adapters/nestjs/index.js';
import type { Caching } from '../../src/index.js';

declare const caching: Caching;

export const modules = [
  // error: Argument of type '{ namespace: string; }' is not assignable
  CachingModule.forRoot({ namespace: 'shop' }),
  // error: 'isglobal' does not exist
  CachingModule.forRoot({ adapter: memory(), isglobal: false }),
  // error: is not assignable to type
  CachingModule.forRoot({ caching, adapter: memory() }),
  // error: Type '404' is not assignable
  CachingModule.forRoot({ adapter: memory(), filter: { lockStatus: 404 } }),
  // error: Type 'true' is not assignable
  CachingModule.forRoot({ adapter: memory(), filter: true }),
  // error: Type '{ namespace: string; }' is not assignable
  CachingModule.forRootAsync({ useFactory: () => ({ namespace: 'shop' }) }),
  // error: Type 'DateConstructor' is not assignable
  CachingModule.forRootAsync({ useClass: Date }),
  // error: Expected 1 arguments
  CachingModule.forFeature(),
];
