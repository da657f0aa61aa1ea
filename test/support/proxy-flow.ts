import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';

export type Side = 'upstream' | 'downstream';

/** What happens to the bytes of one direction. */
export interface Toxics {
  readonly latency?: { readonly milliseconds: number; readonly jitter: number };
  readonly blackHole?: true;
  readonly slicer?: { readonly bytes: number; readonly delay: number };
  readonly limitData?: { readonly bytes: number };
  readonly bandwidth?: { readonly bytesPerSecond: number };
}

interface Arrival {
  readonly at: number;
  readonly what: Buffer | 'end' | 'reset';
}

// More than this and the source is not read, as a full socket buffer would have it.
const HELD_BYTES = 1_048_576;

/**
 * One direction of one connection: what arrives waits in a queue and leaves it in order, as the toxics will.
 */
export class ProxyFlow {
  /** Called with every chunk before its first byte is written; may call `discard`. */
  beforeChunk: (chunk: Buffer) => void = () => {};
  /** Called with every chunk when its last byte is with the kernel. */
  afterChunk: (chunk: Buffer) => void = () => {};
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #toxics: () => Toxics;
  readonly #queue: Arrival[] = [];
  #heldBytes = 0;
  #running = false;
  #discarded = false;
  #limited: { readonly toxic: object; passed: number } | undefined;
  #wake = (): void => {};

  constructor(source: Socket, sink: Socket, toxics: () => Toxics) {
    this.#source = source;
    this.#sink = sink;
    this.#toxics = toxics;
    source.on('data', (chunk: Buffer) => this.#arrive(chunk));
    source.once('end', () => this.#arrive('end'));
    // After an `end` the other side has been told already; ending it again is harmless.
    source.once('close', () => this.#arrive(source.errored ? 'reset' : 'end'));
    sink.once('close', () => this.discard());
  }

  /**
   * Nothing that was held, and nothing that still arrives, will pass. The source is read on, to see it end.
   */
  discard(): void {
    this.#discarded = true;
    this.#queue.length = 0;
    this.#source.resume();
    this.#wake();
  }

  toxicsChanged(): void {
    this.#wake();
  }

  #arrive(what: Arrival['what']): void {
    if (this.#discarded) return;
    this.#queue.push({ at: performance.now(), what });
    if (typeof what !== 'string') {
      this.#heldBytes += what.length;
      if (this.#heldBytes > HELD_BYTES) this.#source.pause();
    }
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      await this.#waitForTurn(next);
      if (this.#discarded) break;
      this.#queue.shift();
      if (next.what === 'end') this.#sink.end();
      else if (next.what === 'reset') resetSocket(this.#sink);
      else await this.#pass(next.what);
    }
    this.#running = false;
  }

  /** Looks again whenever the toxics change, so that healing sets free at once what was held. */
  async #waitForTurn(arrival: Arrival): Promise<void> {
    const chance = this.#jitter();
    while (!this.#discarded) {
      const { blackHole, latency } = this.#toxics();
      const left = arrival.at + (latency ? latency.milliseconds + chance : 0) - performance.now();
      if (!blackHole && left <= 0) return;
      await this.#sleep(blackHole ? undefined : left);
    }
  }

  async #pass(chunk: Buffer): Promise<void> {
    this.beforeChunk(chunk);
    for (let rest = chunk; rest.length > 0 && !this.#discarded;) {
      const { slicer, bandwidth, limitData } = this.#toxics();
      const size = Math.min(
        slicer?.bytes ?? Infinity,
        // Twenty slices a second are fine enough to look like a slow line.
        bandwidth ? Math.max(1, Math.floor(bandwidth.bytesPerSecond / 20)) : Infinity,
        limitData ? this.#left(limitData) : Infinity,
        rest.length,
      );
      if (size > 0) await this.#write(rest.subarray(0, size));
      rest = rest.subarray(size);
      if (limitData && this.#count(limitData, size) === 0) return this.#cut();
      if (bandwidth) await this.#sleep((size / bandwidth.bytesPerSecond) * 1_000);
      if (slicer && rest.length > 0) await this.#sleep(slicer.delay);
    }
    this.afterChunk(chunk);
    this.#heldBytes -= chunk.length;
    if (this.#heldBytes <= HELD_BYTES) this.#source.resume();
  }

  #left(toxic: { readonly bytes: number }): number {
    return this.#limited?.toxic === toxic ? toxic.bytes - this.#limited.passed : toxic.bytes;
  }

  #count(toxic: { readonly bytes: number }, passed: number): number {
    const limited = this.#limited?.toxic === toxic ? this.#limited : { toxic, passed: 0 };
    limited.passed += passed;
    this.#limited = limited;
    return toxic.bytes - limited.passed;
  }

  /** Closes both ends, once what was written is on its way. */
  #cut(): void {
    this.#discarded = true;
    this.#queue.length = 0;
    this.#sink.end(() => this.#sink.destroy());
    this.#source.destroy();
  }

  async #write(bytes: Buffer): Promise<void> {
    if (this.#sink.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#sink.write(bytes, () => resolve());
    });
  }

  #jitter(): number {
    const jitter = this.#toxics().latency?.jitter ?? 0;
    return jitter > 0 ? randomInt(Math.ceil(jitter) + 1) : 0;
  }

  /** Until the time is over, or the toxics change, or the connection is gone. */
  #sleep(milliseconds: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer =
        milliseconds === undefined || milliseconds === 0 ? undefined : setTimeout(resolve, milliseconds);
      if (milliseconds === 0) setImmediate(resolve);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Resets a socket. One that is being ended is closed: Node.js would keep it, spin on it, and never exit. */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
