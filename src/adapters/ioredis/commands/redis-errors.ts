import { StoreUnavailableError } from '../../../core/shared/errors.js';

/** First words of error replies: the server read the command and did not do it. */
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

/** ioredis' own words for a command that never left. */
const NOT_SENT = /enableOfflineQueue options is false/;

/** The first word of an error reply, wherever older servers put it in the errors of scripts. */
export function replyCode(error: unknown): string | undefined {
  if (!isReply(error)) return undefined;
  // Redis 6 wraps what fails inside a script: "ERR Error running script (call to f_...): @user_script:3: -OOM ..."
  const text = error.message.replace(/^ERR Error running script.*?: -(?=[A-Z]+ )/, '');
  return /^([A-Z]+)\b/.exec(text)?.[1];
}

/**
 * What a failure of ioredis or of the server means to the engine. The reply's arguments are taken off the
 * cause: they hold values, and those of AUTH a password.
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
  if (isDefectOfScript(text)) {
    return new StoreUnavailableError(
      `The script of ${verb} failed on ${where}. This is a defect of cachement, please report it: ${text}`,
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

/** Takes the arguments of commands off an error, and off those that it brings along. */
export function withoutArguments(error: unknown): unknown {
  for (let one = error; one instanceof Error; one = one.cause ?? Reflect.get(one, 'lastNodeError')) {
    Reflect.deleteProperty(one, 'command');
  }
  return error;
}

function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

/** An `ERR` out of a script: Lua itself failed, or called a command wrongly. Rights are another matter. */
function isDefectOfScript(text: string): boolean {
  return /^ERR .*(user_script|Error (running|compiling) script)/.test(text) && !isDenied(text);
}

/** An ACL of the server forbids it. */
export function isDenied(text: string): boolean {
  return /^NOPERM\b|The user executing the script can't|NOPERM /.test(text);
}
