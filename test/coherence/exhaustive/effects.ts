import type { Effects } from './search.js';

/** Notes what the current step looks at and changes. */
export class EffectLog {
  #reads = new Set<string>();
  #writes = new Set<string>();

  read(...what: readonly string[]): void {
    for (const one of what) this.#reads.add(one);
  }

  write(...what: readonly string[]): void {
    for (const one of what) this.#writes.add(one);
  }

  hasWritten(what: string): boolean {
    return this.#writes.has(what);
  }

  /** Ends a step. */
  take(): Effects {
    const effects = { reads: this.#reads, writes: this.#writes };
    this.#reads = new Set();
    this.#writes = new Set();
    return effects;
  }
}
