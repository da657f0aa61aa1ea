import { KeyedTable } from './keyed-table.js';

/** Calls that wait for another process. Woken by the store's messages; a lost one is made up by polling. */
export class Waiters {
  readonly #waiting = new KeyedTable<(() => void)[]>();

  /** Calls `woken` whenever something is free at the key, until the returned function is called. */
  listen(key: string, woken: () => void): () => void {
    let listeners = this.#waiting.get(key);
    if (listeners === undefined) this.#waiting.add(key, (listeners = []));
    listeners.push(woken);
    return () => {
      const at = listeners.indexOf(woken);
      if (at < 0) return;
      listeners.splice(at, 1);
      if (listeners.length === 0) this.#waiting.delete(key);
    };
  }

  wake(key: string): void {
    const listeners = this.#waiting.get(key);
    if (listeners !== undefined) for (const woken of [...listeners]) woken();
  }
}
