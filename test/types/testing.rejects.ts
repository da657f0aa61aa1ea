/** What the compiler rejects of `cachement/testing`. */
import { memory } from '../../src/adapters/memory/index.js';
import { chaosAdapter, raceTest } from '../../src/testing/index.js';
import { adapterContract } from '../../src/testing/contract/index.js';

const chaos = chaosAdapter(memory());

// error: Argument of type '"entries.fil"' is not assignable
chaos.fail('entries.fil', 'refused');
// error: Argument of type '"fill"' is not assignable
chaos.hold('fill', 'reply');
// error: Argument of type '"lost"' is not assignable
chaos.fail('entries', 'lost');
// error: Argument of type '"entries"' is not assignable
chaos.calls('entries');
// error: Type 'string' is not assignable to type 'number'
chaos.fail('*', 'refused', { every: '3' });
// error: Type '{ adapter: Adapter; }' is not assignable to type
adapterContract(() => ({ adapter: memory() }));

void raceTest(async ({ all }) => {
  const { Ada } = await all({ Ada: async () => 1 });
  // error: Type 'number' is not assignable to type 'string'
  const name: string = Ada;
  return name;
});
