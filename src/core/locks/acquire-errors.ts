import { describe, quote } from '../shared/describe.js';
import { LockNotObtainedError, LockUnavailableError } from '../shared/errors.js';
import type { LockReply, ServerAnswer } from '../ports/lock-store.js';

/** Why an attempt failed. `late`: the grant arrived when its lease was no longer valid. */
export type Refusal =
  | Exclude<LockReply, { readonly status: 'granted' }>
  | { readonly status: 'late'; readonly afterMs: number };

/**
 * The error of a call that has not acquired its lock.
 *
 * @param last the last refusal of a call of this process; undefined if there was none
 * @param isHeldByCaller true if the caller itself holds the lock
 */
export function acquireError(
  keys: readonly string[],
  waitedMs: number,
  last: Refusal | undefined,
  isHeldByCaller: boolean,
): LockNotObtainedError | LockUnavailableError {
  const lock = `the lock on ${keys.map(quote).join(', ')}`;
  if (last?.status === 'held') {
    const waited = waitedMs < 1 ? '' : `, and held it for the whole wait of ${Math.round(waitedMs)} ms`;
    return new LockNotObtainedError(
      isHeldByCaller
        ? `The caller itself holds ${lock}${waited}. Set \`reentrant: true\` to run within the lease it has.`
        : `Others hold ${lock}${waited}. Wait longer (\`wait\`), or handle the LockNotObtainedError.`,
      keys,
      waitedMs,
    );
  }
  const servers = last?.status === 'unavailable' ? last.servers : [];
  return new LockUnavailableError(
    `Too few lock servers answered to acquire ${lock}: ${answers(last)}.`,
    keys,
    servers,
  );
}

/** The error of waits that `close` ends, and of calls after it. */
export function closedError(keys: readonly string[]): LockUnavailableError {
  return new LockUnavailableError(
    `The Caching is closed and cannot acquire the lock on ${keys.map(quote).join(', ')}.`,
    keys,
    [],
  );
}

function answers(last: Refusal | undefined): string {
  if (last?.status === 'late') {
    return `they granted it after ${Math.round(last.afterMs)} ms, when its lease had ended; use a longer \`lease\``;
  }
  if (last?.status !== 'unavailable' || last.servers.length === 0) return 'none answered within `wait`';
  return last.servers.map(answerText).join('; ');
}

function answerText({ server, answer }: ServerAnswer): string {
  return `${server}: ${answer instanceof Error ? messageOf(answer) : `'${answer}'`}`;
}

function messageOf(error: Error): string {
  return error.message === '' ? describe(error) : error.message.replace(/\.$/, '');
}
