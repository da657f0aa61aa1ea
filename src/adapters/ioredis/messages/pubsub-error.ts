import { StoreUnavailableError } from '../../../core/shared/errors.js';
import { replyCode, unavailable } from '../commands/redis-errors.js';

export function isUnknownCommand(error: unknown): boolean {
  return replyCode(error) === 'ERR' && /unknown command/i.test((error as Error).message);
}

/** Converts an error of a command of pub/sub. Only those of sharded channels are unknown to a supported server. */
export function pubsubError(verb: string, where: string, error: unknown): StoreUnavailableError {
  if (!isUnknownCommand(error)) return unavailable(verb, where, error);
  return new StoreUnavailableError(
    `${verb} was refused by ${where}. Sharded channels in a Cluster need Redis 7.0 or newer: upgrade it, or leave out ` +
      '`sharded`.',
    'refused',
    { cause: error },
  );
}
