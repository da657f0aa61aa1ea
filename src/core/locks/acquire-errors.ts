import { describe, quote } from '../shared/describe.js';
import { LockNotObtainedError, LockUnavailableError } from '../shared/errors.js';
import type { LockReply, ServerAnswer } from '../ports/lock-store.js';

/** Why an attempt did not get the lock. `late`: it was granted after its lease could still be proven. */
export type Refusal =
  | Exclude<LockReply, { readonly status: 'granted' }>
  | { readonly status: 'late'; readonly afterMs: number };

/**
 * The error of a call that did not get its lock.
 *
 * @param last the last refusal that a call of this process got; undefined: there was none yet
 * @param isHeldByCaller the caller itself holds the lock already
 */
export function acquireError(
  keys: readonly string[],
  waitedMs: number,
  last: Refusal | undefined,
  isHeldByCaller: boolean,
): LockNotObtainedError | LockUnavailableError {
  const lock = `the lock on ${keys.map(quote).join(', ')}`;
  if (last?.status === 'held') {
    const waited = waitedMs < 1 ? '' : `, and did for all of ${Math.round(waitedMs)} ms`;
    return new LockNotObtainedError(
      isHeldByCaller
        ? `The caller itself holds ${lock}${waited}. With \`reentrant: true\` it runs within the lease it has.`
        : `Others hold ${lock}${waited}. Wait for it longer (\`wait\`), or catch the LockNotObtainedError.`,
      keys,
      waitedMs,
    );
  }
  const servers = last?.status === 'unavailable' ? last.servers : [];
  return new LockUnavailableError(
    `Too few lock servers have answered to say whether ${lock} is free: ${answers(last)}.`,
    keys,
    servers,
  );
}

/** The error of every wait that `close` ends, and of every call after it. */
export function closedError(keys: readonly string[]): LockUnavailableError {
  return new LockUnavailableError(
    `The Caching is closed, and gets no lock on ${keys.map(quote).join(', ')}.`,
    keys,
    [],
  );
}

function answers(last: Refusal | undefined): string {
  if (last?.status === 'late') {
    return `they granted it after ${Math.round(last.afterMs)} ms, when its lease had ended; give it a longer \`lease\``;
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
