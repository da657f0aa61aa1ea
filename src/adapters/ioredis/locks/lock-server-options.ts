import type { RedisOptions } from 'ioredis';
import { describe } from '../../../core/shared/describe.js';
import { OptionsError } from '../../../core/shared/errors.js';
import type { ExistingClient } from '../connection/client-types.js';
import { resolveTarget, type SingleTarget } from '../connection/target.js';

const EXPECTED =
  'lockServers of ioredis(...) takes an odd number of independent servers, 3 or more, each as the first argument of ' +
  'ioredis(...): a URL, options, or a Redis client';

/** @throws OptionsError */
export function resolveLockServers(
  given: readonly (string | RedisOptions | ExistingClient)[] | undefined,
): readonly SingleTarget[] | undefined {
  if (given === undefined) return undefined;
  if (!Array.isArray(given)) throw new OptionsError(`${EXPECTED}, and ${describe(given)} was given.`);
  if (given.length % 2 === 0 || given.length < 3) {
    const why =
      given.length < 3
        ? 'With fewer than three, locks are gone with any one of them: leave lockServers out, and they stand on the ' +
          'Redis of the cache.'
        : 'An even number tolerates no more failures than one less, and two callers who get half of them each have ' +
          'both no majority.';
    throw new OptionsError(`${EXPECTED}, and ${given.length} were given. ${why}`);
  }
  const targets = given.map((server: string | RedisOptions | ExistingClient, i) => {
    const target = resolveTarget(server);
    if (target.kind === 'single') return target;
    throw new OptionsError(
      `${EXPECTED}, and number ${i + 1} is a Cluster client (${target.where}): its nodes are not independent. Locks ` +
        'on a Cluster need no lockServers: give it as the first argument.',
    );
  });
  for (const [i, { server, where }] of targets.entries()) {
    const first = targets.findIndex((other) => other.server === server);
    if (first === i) continue;
    throw new OptionsError(
      `${EXPECTED}, and number ${first + 1} and number ${i + 1} are the same server (${where}): with it, two votes ` +
        'would be lost at once. Databases of one server count as one, too.',
    );
  }
  return targets;
}
