import type { RedisOptions } from 'ioredis';
import { describe } from '../../../core/shared/describe.js';
import { OptionsError } from '../../../core/shared/errors.js';
import type { ExistingClient } from '../connection/client-types.js';
import { resolveTarget, type SingleTarget } from '../connection/target.js';

const EXPECTED =
  'lockServers of ioredis(...) takes an odd number of independent servers, 3 or more, each as the first argument of ' +
  'ioredis(...): a URL, options, or a Redis client';

/**
 * Checks the option `lockServers`.
 *
 * @throws OptionsError
 */
export function resolveLockServers(
  option: readonly (string | RedisOptions | ExistingClient)[] | undefined,
): readonly SingleTarget[] | undefined {
  if (option === undefined) return undefined;
  if (!Array.isArray(option)) throw new OptionsError(`${EXPECTED}, and ${describe(option)} was given.`);
  if (option.length % 2 === 0 || option.length < 3) {
    const reason =
      option.length < 3
        ? 'With fewer than three, no lock can be acquired while one of them is down. Omit lockServers: then locks are on ' +
          'the Redis of the cache.'
        : 'An even number tolerates no more failures than one server less, and two callers with half of the servers each ' +
          'would both have no majority. Add a server, or remove one.';
    throw new OptionsError(`${EXPECTED}, and ${option.length} were given. ${reason}`);
  }
  const targets = option.map((server: string | RedisOptions | ExistingClient, i) => {
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
      `${EXPECTED}, and number ${first + 1} and number ${i + 1} are the same server (${where}): if it fails, two of them ` +
        'fail at once. Databases of one server count as one server. Give each server once.',
    );
  }
  return targets;
}
