import { memory } from '../../../src/adapters/memory/index.js';
import { Caching } from '../../../src/index.js';
import { fakeClock } from '../../../src/testing/index.js';

let count = 0;

export const newCaching = (): Caching =>
  new Caching({
    adapter: memory(),
    namespace: `resolution-${count++}`,
    clock: fakeClock(),
    defaults: { ttl: '5m' },
  });

/** Runs the call on a key of its own and tells which of these `Caching` stored it. */
export async function servedBy<Name extends string>(
  all: Readonly<Record<Name, Caching>>,
  call: (id: string) => Promise<unknown>,
): Promise<Name | undefined> {
  const id = String(count++);
  await call(id);
  for (const name of Object.keys(all) as Name[]) if (await all[name].cache.has(`id:${id}`)) return name;
  return undefined;
}
