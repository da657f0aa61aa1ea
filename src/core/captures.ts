import { AsyncLocalStorage } from 'node:async_hooks';
import type { Tagged } from './entry.js';

/** The tags met while one load runs: those of the cached calls it made. */
export class Capture {
  readonly #nonces = new Map<string, string>();
  /** False once two calls saw one tag with two nonces, or one could not read its nonces: nothing can be proven. */
  provable = true;

  add(tagged: readonly Tagged[] | undefined): void {
    if (tagged === undefined) {
      this.provable = false;
      return;
    }
    for (const { tag, nonce } of tagged) {
      const known = this.#nonces.get(tag);
      if (known === undefined) this.#nonces.set(tag, nonce);
      else if (known !== nonce) this.provable = false;
    }
  }

  get tagged(): readonly Tagged[] {
    return [...this.#nonces].map(([tag, nonce]) => ({ tag, nonce }));
  }
}

/** Undefined if one tag was seen with two nonces, or without one: then nothing can be proven. */
export function merge(
  own: readonly Tagged[] | undefined,
  capture: Capture | undefined,
): readonly Tagged[] | undefined {
  if (own === undefined || capture === undefined) return own;
  capture.add(own);
  return capture.provable ? capture.tagged : undefined;
}

const current = new AsyncLocalStorage<Capture>();
let running = 0;

/** Runs a load whose nested cached calls are to be recorded in `capture`. */
export async function capturing<T>(capture: Capture, load: () => Promise<T>): Promise<T> {
  running++;
  try {
    return await current.run(capture, load);
  } finally {
    running--;
  }
}

/** The capture that the present call is made under. Free while no load captures. */
export function currentCapture(): Capture | undefined {
  return running === 0 ? undefined : current.getStore();
}
