/**
 * Calls between two processes, in both directions, over the channel of `fork`.
 *
 * @param {import('node:child_process').ChildProcess | NodeJS.Process} other
 * @param {Record<string, (argument: any) => unknown>} handlers what the other side may call here
 * @returns {(name: string, argument?: unknown) => Promise<any>}
 */
export function callsWith(other, handlers) {
  const waiting = new Map();
  let last = 0;
  const end = () => {
    for (const { reject } of waiting.values()) reject(new Error('The other process has ended.'));
    waiting.clear();
  };
  other.on('disconnect', end);
  const answer = async ({ ask, name, argument }) => {
    let reply;
    try {
      reply = { answerTo: ask, value: await handlers[name](argument) };
    } catch (failure) {
      reply = { answerTo: ask, error: failure?.stack ?? String(failure) };
    }
    // The other process may have ended meanwhile.
    if (other.connected) other.send(reply, () => {});
  };
  other.on('message', (message) => {
    if (message.answerTo === undefined) {
      void answer(message);
      return;
    }
    const { resolve, reject } = waiting.get(message.answerTo);
    waiting.delete(message.answerTo);
    if (message.error === undefined) resolve(message.value);
    else reject(new Error(message.error));
  });
  return (name, argument) =>
    new Promise((resolve, reject) => {
      if (!other.connected) throw new Error('The other process has ended: its last output is above.');
      const ask = (last += 1);
      waiting.set(ask, { resolve, reject });
      other.send({ ask, name, argument });
    });
}
