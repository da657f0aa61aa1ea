import { StoreUnavailableError } from '../../../core/shared/errors.js';

/** The codes of error replies that mean that the server has not executed the command. */
const REFUSALS = [
  'OOM',
  'READONLY',
  'LOADING',
  'BUSY',
  'NOSCRIPT',
  'MISCONF',
  'MASTERDOWN',
  'NOREPLICAS',
  'CLUSTERDOWN',
  'CROSSSLOT',
  'TRYAGAIN',
  'MOVED',
  'ASK',
  'NOAUTH',
  'WRONGPASS',
  'NOPERM',
  'WRONGTYPE',
];

/** The message of ioredis for a command that was not sent. */
const NOT_SENT = /enableOfflineQueue options is false/;

/** Returns the code of an error reply, such as `OOM`; undefined for an error of another kind. */
export function replyCode(error: unknown): string | undefined {
  if (!isReply(error)) return undefined;
  // Redis 6 wraps the error of a command: "ERR Error running script (call to f_...): @user_script:3: -OOM ..."
  const text = error.message.replace(/^ERR Error running script.*?: -(?=[A-Z]+ )/, '');
  return /^([A-Z]+)\b/.exec(text)?.[1];
}

/**
 * Converts an error of ioredis or of the server. The arguments of the command are removed from the cause, because they
 * contain values, and those of AUTH a password.
 *
 * @param sent false if the command was certainly not written
 */
export function unavailable(verb: string, where: string, error: unknown, sent = true): StoreUnavailableError {
  if (error instanceof StoreUnavailableError) return error;
  const cause = withoutArguments(error);
  const text = cause instanceof Error ? cause.message : String(cause);
  const code = replyCode(error);
  if (code === undefined) {
    const outcome = sent && !NOT_SENT.test(text) ? 'unknown' : 'refused';
    return new StoreUnavailableError(`${verb} on ${where} failed: ${text}`, outcome, { cause });
  }
  if (isScriptBug(text)) {
    return new StoreUnavailableError(
      `The script of ${verb} failed on ${where}. This is a bug in cachement; please report it: ${text}`,
      'unknown',
      { cause },
    );
  }
  const refused = REFUSALS.includes(code) || isDenied(text) || /max number of clients/.test(text);
  return new StoreUnavailableError(
    `${verb} was ${refused ? 'refused' : 'answered with an error'} by ${where}: ${text}`,
    refused ? 'refused' : 'unknown',
    { cause },
  );
}

/** Removes the arguments of commands from an error and its causes. @returns the same error */
export function withoutArguments(error: unknown): unknown {
  let current = error;
  while (current instanceof Error) {
    Reflect.deleteProperty(current, 'command');
    current = current.cause ?? Reflect.get(current, 'lastNodeError');
  }
  return error;
}

function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

/** True for an `ERR` of a script: an error in Lua, or a command with wrong arguments. A missing right is not a bug. */
function isScriptBug(text: string): boolean {
  return /^ERR .*(user_script|Error (running|compiling) script)/.test(text) && !isDenied(text);
}

/** True if the ACL of the server denies the command, key or channel. */
export function isDenied(text: string): boolean {
  return /^NOPERM\b|The user executing the script can't|NOPERM /.test(text);
}
