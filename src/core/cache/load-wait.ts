import type { Clock, Timer } from '../ports/clock.js';
import type { InFlightLoad, LoadResult } from './in-flight-loads.js';

/** What ends the wait of a call for a load. */
export type LoadOutcome =
  | { readonly status: 'loaded'; readonly load: InFlightLoad; readonly result: LoadResult }
  /** The loader has run for too long: the call starts another load, and returns whichever result arrives first. */
  | { readonly status: 'hung' }
  /** The call has waited for long enough. */
  | { readonly status: 'timeout' };

export interface LoadWaitLimits {
  /** How long the loader may run before it counts as hung, in ms; undefined: no limit. */
  readonly loadTimeout: number | undefined;
  /** When the call stops waiting, by this process' clock; undefined: it does not. */
  readonly deadline: number | undefined;
  /** Of the caller. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Waits for the first result of `load` or of a load that the call has left because it hung.
 *
 * @throws what the loader of `load` throws; the reason of the signal
 */
export async function waitForLoad(
  clock: Clock,
  load: InFlightLoad,
  hung: readonly InFlightLoad[],
  { loadTimeout, deadline, signal }: LoadWaitLimits,
): Promise<LoadOutcome> {
  if (hung.length === 0 && loadTimeout === undefined && deadline === undefined && signal === undefined) {
    return { status: 'loaded', load, result: await load.result };
  }
  signal?.throwIfAborted();
  if (deadline !== undefined && deadline <= clock.now()) return { status: 'timeout' };
  let timers: (Timer | undefined)[] = [];
  let onAbort: (() => void) | undefined;
  try {
    return await new Promise<LoadOutcome>((resolve, reject) => {
      const endWhenHung = (): void => {
        const remainingMs = (load.loaderStartedAt ?? clock.now()) + loadTimeout! - clock.now();
        if (remainingMs > 0) timers[0] = clock.after(remainingMs, endWhenHung);
        else resolve({ status: 'hung' });
      };
      timers = [
        loadTimeout === undefined ? undefined : clock.after(loadTimeout, endWhenHung),
        deadline === undefined
          ? undefined
          : clock.after(deadline - clock.now(), () => resolve({ status: 'timeout' })),
      ];
      onAbort = () => reject(signal!.reason as Error);
      signal?.addEventListener('abort', onAbort, { once: true });
      load.result.then((result) => resolve({ status: 'loaded', load, result }), reject);
      // Ignore the error of a hung load: this call now waits for a newer one.
      // guard: slow-load-still-counts
      for (const one of hung)
        one.result.then(
          (result) => resolve({ status: 'loaded', load: one, result }),
          () => {},
        );
    });
  } finally {
    for (const timer of timers) timer?.cancel();
    signal?.removeEventListener('abort', onAbort!);
  }
}
