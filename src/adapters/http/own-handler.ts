import type { ResponseHead, WholeResponse } from './http-message.js';
import { cacheStatus } from './cache-status.js';
import type { StoredResponse, Verdict } from './storable-response.js';

/** How an adapter is to treat the response of its handler. */
export interface Hold {
  /**
   * Called once, as soon as the head is known. Undefined: hold the body back until it is complete. Otherwise the response
   * passes through, with this value of `Cache-Status`.
   */
  judge(head: ResponseHead): string | undefined;
  /** A larger body passes through. */
  readonly maxBytes: number;
}

/**
 * Runs the handler of a request, and holds its response back. Resolves with undefined if the response passes through, as
 * soon as that is known. Rejects with the error of the handler, or with a RequestOverError.
 */
export type Handle = (hold: Hold) => Promise<WholeResponse | undefined>;

/** The request is over: its client has left, or it has its response. Requests that waited for its handler try again. */
export class RequestOverError extends Error {}

/** The handler of another request failed. Requests that waited for it run their own. */
export class NotSharedError extends Error {}

interface OwnHandlerSetup {
  readonly handle: Handle;
  readonly maxBytes: number;
  readonly now: () => number;
  readonly judge: (head: ResponseHead) => Verdict;
  readonly toStored: (response: WholeResponse, lifetime: number, at: number) => StoredResponse;
}

/** The handler of one request. It runs once at most, as the load of its key or for this request alone. */
export class OwnHandler {
  readonly #setup: OwnHandlerSetup;
  #result: Promise<StoredResponse | undefined> | undefined;
  #verdict: Verdict | undefined;
  #isOver = false;

  constructor(setup: OwnHandlerSetup) {
    this.#setup = setup;
  }

  get isStarted(): boolean {
    return this.#result !== undefined;
  }

  /** The request has its response: the handler must not run any more. */
  end(): void {
    this.#isOver = true;
  }

  /** The response, which is held back. Undefined: it has passed through. @throws what the handler throws */
  run(): Promise<StoredResponse | undefined> {
    return (this.#result ??= this.#run());
  }

  /**
   * Runs the handler as a load that others may wait for. Null: the response is for nobody else, and nor will be the next.
   * @throws RequestOverError, NotSharedError
   */
  async load(): Promise<StoredResponse | null> {
    // guard: handler-runs-once
    if (this.#isOver || this.isStarted) throw new RequestOverError();
    let stored: StoredResponse | undefined;
    try {
      stored = await this.run();
    } catch (error) {
      throw error instanceof RequestOverError ? error : new NotSharedError();
    }
    if (stored !== undefined) return stored;
    if (this.#verdict?.action === 'fail') throw new NotSharedError();
    return null;
  }

  async #run(): Promise<StoredResponse | undefined> {
    const { handle, judge, maxBytes, now, toStored } = this.#setup;
    const startedAt = now();
    const response = await handle({
      maxBytes,
      judge: (head) => {
        const verdict = (this.#verdict = judge(head));
        return verdict.action === 'store' ? undefined : cacheStatus({ fwd: 'miss', detail: verdict.reason });
      },
    });
    if (response === undefined || this.#verdict?.action !== 'store') return undefined;
    return toStored(response, this.#verdict.lifetime, startedAt);
  }
}
