import { ExecutionError } from 'redlock';
import { StoreUnavailableError } from '../../../core/errors.js';
import type { LockReply, ServerAnswer } from '../../../core/ports.js';
import type { Ballot, Vote } from './ballot.js';
import { majorityOf } from './majority.js';

/** What an attempt that failed means. Nothing of redlock's errors goes on: they hold clients. */
export async function refusal(
  ballot: Ballot,
  servers: readonly string[],
  error: unknown,
): Promise<LockReply> {
  const needed = majorityOf(servers.length);
  // If so many have refused, those that are still to vote would change nothing.
  if (refusals(ballot).length < needed) await failuresOf(error);
  const waits = refusals(ballot);
  if (waits.length < needed) {
    return { status: 'unavailable', servers: servers.map((server, i) => answerOf(server, ballot.votes[i])) };
  }
  const granted = ballot.votes.filter((vote) => vote !== undefined && 'granted' in vote && vote.granted);
  // So many of them must become free for a majority.
  return { status: 'held', forMs: waits[needed - granted.length - 1]! };
}

/** For how many ms the locks are held, where they are, from the shortest to the longest. */
function refusals({ votes }: Ballot): readonly number[] {
  const waits: number[] = [];
  for (const vote of votes) {
    if (vote !== undefined && 'granted' in vote && !vote.granted) waits.push(vote.forMs);
  }
  return waits.sort((one, other) => one - other);
}

function answerOf(server: string, vote: Vote | undefined): ServerAnswer {
  if (vote === undefined) throw new Error(`Expected ${server} to have voted.`);
  if (vote instanceof Error) return { server, answer: vote };
  return { server, answer: vote.granted ? 'granted' : 'held' };
}

/** Why the voters were against it, when all have voted. */
export async function failuresOf(thrown: unknown): Promise<readonly Error[]> {
  if (!(thrown instanceof ExecutionError)) throw thrown;
  const [stats] = await Promise.all(thrown.attempts);
  return [...stats!.votesAgainst.values()];
}

export function notTold(failures: readonly Error[], count: number): StoreUnavailableError {
  const [first] = failures;
  if (count === 1 && first instanceof StoreUnavailableError) return first;
  const unknown = failures.some(
    (failure) => failure instanceof StoreUnavailableError && failure.outcome === 'unknown',
  );
  return new StoreUnavailableError(
    `${failures.length} of ${count} lock servers could not be told that a lock is given back. ` +
      failures.map(({ message }) => message).join(' '),
    unknown ? 'unknown' : 'refused',
    { cause: first },
  );
}
