/**
 * The messages of the bus: which records a script has removed or is replacing. A JSON list of the sender and the keys as
 * they are in Redis, so that processes with another prefix on the same server tell theirs apart.
 */
export function encodeChanges(sender: string, redisKeys: readonly string[]): string {
  return JSON.stringify([sender, ...redisKeys]);
}

/**
 * Decodes a message of another process.
 *
 * @param sender this process, whose own messages contain nothing new
 * @param keyPrefix of the keys of this process
 * @returns store keys, without the prefix; undefined for a message that cannot be read
 */
export function decodeChanges(payload: string, sender: string, keyPrefix: string): string[] | undefined {
  let message: unknown;
  try {
    message = JSON.parse(payload);
  } catch {
    return undefined;
  }
  if (!Array.isArray(message) || !message.every((part): part is string => typeof part === 'string')) {
    return undefined;
  }
  const [from, ...redisKeys] = message;
  // guard: own-messages-change-nothing
  if (from === sender) return [];
  return redisKeys.filter((key) => key.startsWith(keyPrefix)).map((key) => key.slice(keyPrefix.length));
}

/** The channel of the messages. */
export function changeChannel(namespace: string): string {
  return `${namespace}:changes`;
}
