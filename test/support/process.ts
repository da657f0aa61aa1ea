import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { forkGuarded, keepAlive } from './guarded-process.js';

/**
 * What a worker answers to: the functions it serves, by name. Arguments and results pass by structured clone.
 */
type Calls<Served> = { readonly [Name in keyof Served]: (...args: never[]) => unknown };

/**
 * A script that runs in a process of its own, to be called, paused and killed. It dies with the process that
 * started it.
 */
export interface Worker<Served extends Calls<Served>> {
  readonly pid: number;
  /** False from the moment the process is gone. */
  readonly alive: boolean;
  /**
   * Calls a function of the worker. What it throws is thrown here as an `Error` with its name, message, code
   * and other plain fields. Rejects too when the worker ends before it answers.
   */
  call<Name extends keyof Served & string>(
    name: Name,
    ...args: Parameters<Served[Name]>
  ): Promise<Awaited<ReturnType<Served[Name]>>>;
  /** Listens to what the worker emits. Returns a function that ends the listening. */
  on(event: string, listener: (payload: unknown) => void): () => void;
  /** SIGSTOP: nothing in the worker runs, no timer fires, its connections stay open. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** SIGKILL. Resolves when the process is gone. */
  kill(): Promise<void>;
  /**
   * Lets the worker run what it registered with `onStop` and end; kills it if that takes more than two
   * seconds.
   */
  stop(): Promise<void>;
}

/** What a worker's script is given. */
export interface WorkerContext<Init> {
  /** The second argument of `startWorker`. */
  readonly init: Init;
  emit(event: string, payload?: unknown): void;
  /** Runs when the worker is asked to stop: not when it is killed, and not when its parent is. */
  onStop(cleanUp: () => unknown): void;
}

/** The calls of a worker whose script hands `serveWorker` a function: `ServedBy<typeof serve>`. */
export type ServedBy<Serve extends (context: never) => unknown> = Awaited<ReturnType<Serve>>;

type ToWorker =
  | { readonly type: 'init'; readonly init: unknown }
  | { readonly type: 'call'; readonly id: number; readonly name: string; readonly args: readonly unknown[] }
  | { readonly type: 'stop' };

type FromWorker =
  | { readonly type: 'ready'; readonly pid: number }
  | { readonly type: 'failed'; readonly error: SentError }
  | { readonly type: 'result'; readonly id: number; readonly result: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: SentError }
  | { readonly type: 'event'; readonly event: string; readonly payload: unknown };

interface SentError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
}

const STOP_LIMIT_MS = 2_000;

/** Starts a compiled script that calls `serveWorker`; resolves when it is ready to be called. */
export async function startWorker<Served extends Calls<Served>>(
  script: URL,
  init?: unknown,
): Promise<Worker<Served>> {
  const worker = new WorkerProcess<Served>(script);
  await worker.start(init);
  return worker;
}

interface Waiting {
  readonly what: string;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

class WorkerProcess<Served extends Calls<Served>> implements Worker<Served> {
  readonly #script: URL;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<string, Set<(payload: unknown) => void>>();
  #pid = 0;
  #alive = true;
  #lastId = 0;

  constructor(script: URL) {
    this.#script = script;
    this.#child = forkGuarded(fileURLToPath(script));
    // What it said last may still be on its way when it is gone: only then does the channel close.
    const exit = new Promise<number>((resolve) => this.#child.once('exit', (status) => resolve(status ?? 0)));
    const disconnect = new Promise<void>((resolve) => this.#child.once('disconnect', resolve));
    this.#exited = Promise.all([exit, disconnect]).then(([status]) => this.#ended(status));
    this.#child.on('message', (message) => this.#receive(message as FromWorker));
    // The process may be gone before we know: its exit says so.
    this.#child.on('error', () => {});
    this.#child.stdin?.on('error', () => {});
  }

  get pid(): number {
    return this.#pid;
  }

  get alive(): boolean {
    return this.#alive;
  }

  async start(init: unknown): Promise<void> {
    // Number 0 waits for the worker to be ready.
    const ready = this.#expect(0, 'being ready');
    this.#send({ type: 'init', init });
    await ready;
  }

  async call<Name extends keyof Served & string>(
    name: Name,
    ...args: Parameters<Served[Name]>
  ): Promise<Awaited<ReturnType<Served[Name]>>> {
    if (!this.#alive) throw new Error(`Cannot call "${name}" of ${this.#title()}: it has ended.`);
    const id = (this.#lastId += 1);
    const result = this.#expect(id, `answering "${name}"`);
    this.#send({ type: 'call', id, name, args });
    return (await result) as Awaited<ReturnType<Served[Name]>>;
  }

  on(event: string, listener: (payload: unknown) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    this.#keepAliveIfAwaited();
    return () => {
      listeners.delete(listener);
      this.#keepAliveIfAwaited();
    };
  }

  pause(): void {
    this.#signal('SIGSTOP');
  }

  resume(): void {
    this.#signal('SIGCONT');
  }

  async kill(): Promise<void> {
    if (!this.#alive) return;
    keepAlive(this.#child, true);
    this.#signal('SIGKILL');
    await this.#exited;
  }

  async stop(): Promise<void> {
    if (!this.#alive) return;
    keepAlive(this.#child, true);
    this.resume();
    this.#send({ type: 'stop' });
    const timer = setTimeout(() => this.#signal('SIGKILL'), STOP_LIMIT_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  #expect(id: number, what: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { what, resolve, reject });
      this.#keepAliveIfAwaited();
    });
  }

  /** A worker that nobody waits for, say because its test failed, does not keep the test process alive. */
  #keepAliveIfAwaited(): void {
    const listening = [...this.#listeners.values()].some((listeners) => listeners.size > 0);
    if (this.#alive) keepAlive(this.#child, this.#waiting.size > 0 || listening);
  }

  #send(message: ToWorker): void {
    this.#child.send(message, () => {});
  }

  #receive(message: FromWorker): void {
    if (message.type === 'event') {
      for (const listener of this.#listeners.get(message.event) ?? []) listener(message.payload);
      return;
    }
    if (message.type === 'ready') this.#pid = message.pid;
    const id = message.type === 'ready' || message.type === 'failed' ? 0 : message.id;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    this.#keepAliveIfAwaited();
    if (message.type === 'result') waiting?.resolve(message.result);
    else if (message.type === 'ready') waiting?.resolve(undefined);
    else waiting?.reject(receivedError(message.error));
  }

  #signal(signal: NodeJS.Signals): void {
    if (!this.#alive) return;
    try {
      process.kill(this.#pid, signal);
    } catch (error) {
      // It ended in this very moment: its exit is about to say so.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  #ended(status: number): void {
    this.#alive = false;
    const how = status > 128 ? `by signal ${status - 128}` : `with status ${status}`;
    for (const { what, reject } of this.#waiting.values()) {
      reject(new Error(`Expected ${this.#title()} to live, but it ended ${how} before ${what}.`));
    }
    this.#waiting.clear();
  }

  #title(): string {
    return `the worker ${fileURLToPath(this.#script)} (process ${this.#pid})`;
  }
}

/**
 * The counterpart, in the worker's script: serves these functions, or what this function of the context
 * returns. The test imports their type: `export type CounterCalls = typeof calls`.
 */
export async function serveWorker<Served extends Calls<Served>, Init = unknown>(
  calls: Served | ((context: WorkerContext<Init>) => Served | Promise<Served>),
): Promise<void> {
  if (!process.connected) throw new Error('serveWorker belongs into a script that startWorker has started.');
  const cleanUps: (() => unknown)[] = [];
  // Whoever started us is gone; the guard would kill us too.
  process.on('disconnect', () => process.exit());

  const [first] = (await once(process, 'message')) as [ToWorker];
  if (first.type !== 'init') throw new Error(`Expected the message "init" first, received "${first.type}".`);
  let served: Served;
  try {
    const context: WorkerContext<Init> = {
      init: first.init as Init,
      emit: (event, payload) => reply({ type: 'event', event, payload }),
      onStop: (cleanUp) => void cleanUps.push(cleanUp),
    };
    served = typeof calls === 'function' ? await calls(context) : calls;
  } catch (error) {
    reply({ type: 'failed', error: sentError(error) }, () => process.exit(1));
    return;
  }
  process.on('message', (message: ToWorker) => {
    if (message.type === 'call') void answer(served, message);
    else if (message.type === 'stop') void stopWorker(cleanUps);
  });
  reply({ type: 'ready', pid: process.pid });
}

async function answer(
  served: object,
  { id, name, args }: Extract<ToWorker, { type: 'call' }>,
): Promise<void> {
  try {
    const called: unknown = Object.hasOwn(served, name) ? Reflect.get(served, name) : undefined;
    if (typeof called !== 'function')
      throw new Error(`Expected this worker to serve a function "${name}"; it does not.`);
    const result: unknown = await Reflect.apply(called, served, args);
    reply({ type: 'result', id, result });
  } catch (error) {
    reply({ type: 'error', id, error: sentError(error) });
  }
}

async function stopWorker(cleanUps: readonly (() => unknown)[]): Promise<void> {
  for (const cleanUp of cleanUps) {
    try {
      await cleanUp();
    } catch (error) {
      process.stderr.write(`A worker failed to stop in good order: ${String(error)}\n`);
    }
  }
  process.exit();
}

function reply(message: FromWorker, sent: () => void = () => {}): void {
  process.send?.(message, undefined, undefined, sent);
}

function sentError(thrown: unknown): SentError {
  if (!(thrown instanceof Error))
    return { name: 'Error', message: String(thrown), stack: undefined, fields: {} };
  const plain = Object.entries(thrown).filter(
    ([, value]) => value === null || !/object|function|symbol/.test(typeof value),
  );
  // `code` is on the prototype of some errors, and then not among the entries.
  const code: unknown = Reflect.get(thrown, 'code');
  const fields = { ...Object.fromEntries(plain), ...(code === undefined ? {} : { code }) };
  return { name: thrown.name, message: thrown.message, stack: thrown.stack, fields };
}

function receivedError({ name, message, stack, fields }: SentError): Error {
  const error = Object.assign(new Error(message), { name, ...fields });
  if (stack !== undefined) error.stack = stack;
  return error;
}
