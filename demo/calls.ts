import type { ChildProcess } from 'node:child_process';

/** The methods of T, called from another process. */
export type Remote<T> = {
  readonly [Name in keyof T]: T[Name] extends (...args: infer A) => Promise<infer R>
    ? (...args: A) => Promise<R>
    : never;
};

type Message =
  | { readonly ask: number; readonly method: string; readonly args: readonly unknown[] }
  | { readonly answerTo: number; readonly value?: unknown; readonly error?: string };

type Methods = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** Answers the calls of the other process with the methods of `own`, and makes calls on it, over the channel of `fork`. */
export function connect<T extends object>(other: ChildProcess | NodeJS.Process, own: object): Remote<T> {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let last = 0;
  const send = (message: Message): void => void other.send?.(message);

  const answer = async (ask: number, method: string, args: readonly unknown[]): Promise<void> => {
    try {
      send({ answerTo: ask, value: await (own as Methods)[method]!(...args) });
    } catch (error) {
      send({ answerTo: ask, error: String(error) });
    }
  };
  other.on('message', (message: Message) => {
    if ('ask' in message) {
      void answer(message.ask, message.method, message.args);
      return;
    }
    const call = waiting.get(message.answerTo);
    waiting.delete(message.answerTo);
    if (message.error === undefined) call?.resolve(message.value);
    else call?.reject(new Error(message.error));
  });
  other.on('disconnect', () => {
    for (const { reject } of waiting.values()) reject(new Error('The other process has ended.'));
  });

  const call = (method: string, args: readonly unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const ask = (last += 1);
      waiting.set(ask, { resolve, reject });
      send({ ask, method, args });
    });
  // No method `then`: awaiting this object returns the object.
  return new Proxy({} as Remote<T>, {
    get: (_target, method) =>
      method === 'then' ? undefined : (...args: unknown[]) => call(String(method), args),
  });
}
