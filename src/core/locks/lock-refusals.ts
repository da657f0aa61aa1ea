import { describe, quote } from '../describe.js';
import { LockNotObtainedError, LockUnavailableError } from '../errors.js';
import type { Answer } from './lock-wait.js';
import type { ServerAnswer } from '../ports.js';

/**
 * Why a lock was not got, as an error.
 * @param own the caller itself holds it already
 */
export function refusal(
  keys: readonly string[],
  waitedMs: number,
  last: Answer | undefined,
  own: boolean,
): LockNotObtainedError | LockUnavailableError {
  const lock = `the lock on ${keys.map(quote).join(', ')}`;
  if (last?.status === 'held') {
    const waited = waitedMs < 1 ? '' : `, and did for all of ${Math.round(waitedMs)} ms`;
    return new LockNotObtainedError(
      own
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

/** What every wait ends with, and every call after it. */
export function closed(keys: readonly string[]): LockUnavailableError {
  return new LockUnavailableError(
    `The Caching is closed, and gets no lock on ${keys.map(quote).join(', ')}.`,
    keys,
    [],
  );
}

function answers(last: Answer | undefined): string {
  if (last?.status === 'late') {
    return `they granted it after ${Math.round(last.afterMs)} ms, when its lease had ended; give it a longer \`lease\``;
  }
  if (last?.status !== 'unavailable' || last.servers.length === 0) return 'none answered within `wait`';
  return last.servers.map(said).join('; ');
}

function said({ server, answer }: ServerAnswer): string {
  return `${server}: ${answer instanceof Error ? text(answer) : `'${answer}'`}`;
}

function text(error: Error): string {
  return error.message === '' ? describe(error) : error.message.replace(/\.$/, '');
}
