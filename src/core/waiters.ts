/** Calls that wait for another process' load. Woken by the store's messages; a lost one is made up by polling. */
export class Waiters {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Calls `woken` whenever the key's lease ends, until the returned function is called. */
  listen(key: string, woken: () => void): () => void {
    let listeners = this.#waiting.get(key);
    if (listeners === undefined) this.#waiting.set(key, (listeners = new Set()));
    listeners.add(woken);
    return () => {
      if (listeners.delete(woken) && listeners.size === 0) this.#waiting.delete(key);
    };
  }

  wake(key: string): void {
    const listeners = this.#waiting.get(key);
    if (listeners !== undefined) for (const woken of [...listeners]) woken();
  }
}
