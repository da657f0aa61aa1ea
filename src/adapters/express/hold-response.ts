import { Buffer } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  changedFields,
  toFields,
  type HeaderFields,
  type ResponseHead,
  type WholeResponse,
} from '../http/http-message.js';
import { RequestOverError, type Handle, type Hold } from '../http/own-handler.js';

type Callback = (error?: Error | null) => void;

/**
 * Holds back what a handler writes on a response of Node.js, until it is complete or passes through.
 *
 * The methods that it replaces stay replaced: a middleware that runs later may have replaced them again, and calls these.
 * Once the response is released, they only call what was there before.
 */
export class HeldResponse {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #original: Pick<ServerResponse, 'writeHead' | 'write' | 'end' | 'flushHeaders'>;
  readonly #chunks: Buffer[] = [];
  readonly #callbacks: Callback[] = [];
  #state: 'held' | 'complete' | 'released' = 'held';
  #size = 0;
  #isJudged = false;
  #isPiped = false;
  #before: HeaderFields = {};
  #conditions: object = {};
  #hold!: Hold;
  #resolve!: (response: WholeResponse | undefined) => void;
  #reject!: (error: unknown) => void;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
    const { writeHead, write, end, flushHeaders } = response;
    this.#original = { writeHead, write, end, flushHeaders };
  }

  /** Runs the rest of the middlewares, and holds back what they write. */
  run(next: () => void): Handle {
    return (hold) =>
      new Promise((resolve, reject) => {
        this.#hold = hold;
        this.#resolve = resolve;
        this.#reject = reject;
        this.#replaceMethods();
        this.#hideConditions();
        next();
      });
  }

  /** Sends a response in place of what is held back. */
  send({ status, headers, body }: WholeResponse): void {
    const response = this.#response;
    this.#release();
    response.statusCode = status;
    for (const [name, value] of Object.entries(headers)) {
      if (value === undefined) response.removeHeader(name);
      else response.setHeader(name, value);
    }
    for (const callback of this.#callbacks) response.once('finish', callback);
    Reflect.apply(this.#original.end, response, this.#request.method === 'HEAD' ? [] : [body]);
  }

  /** Drops what is held back. What is written from now on goes to the client. */
  drop(): void {
    this.#release();
  }

  #replaceMethods(): void {
    const response = this.#response;
    const original = this.#original;
    this.#before = toFields(response.getHeaders());
    response.writeHead = ((...args: unknown[]) =>
      this.#state === 'released'
        ? Reflect.apply(original.writeHead, response, args)
        : this.#writeHead(args)) as ServerResponse['writeHead'];
    response.write = ((...args: unknown[]) =>
      this.#state === 'released'
        ? Reflect.apply(original.write, response, args)
        : this.#write(args)) as ServerResponse['write'];
    response.end = ((...args: unknown[]) =>
      this.#state === 'released'
        ? Reflect.apply(original.end, response, args)
        : this.#end(args)) as ServerResponse['end'];
    response.flushHeaders = () => {
      if (this.#state === 'held') this.#passThrough();
      original.flushHeaders.call(response);
    };
    response.on('pipe', () => {
      this.#isPiped = true;
      if (response.destroyed) this.#abandon();
    });
    response.once('close', () => {
      // A handler that is still at work will end the response. One that streams its body stops.
      // guard: handler-that-stopped-ends-the-load
      if (this.#isPiped || this.#size > 0) this.#abandon();
    });
  }

  /** A handler that answers 304 makes no body for others. The conditions are checked when the response is sent. */
  #hideConditions(): void {
    const { headers } = this.#request;
    const { 'if-none-match': tag, 'if-modified-since': date } = headers;
    this.#conditions = {
      ...(tag === undefined ? {} : { 'if-none-match': tag }),
      ...(date === undefined ? {} : { 'if-modified-since': date }),
    };
    delete headers['if-none-match'];
    delete headers['if-modified-since'];
  }

  #writeHead(args: readonly unknown[]): ServerResponse {
    const response = this.#response;
    const [status, second, third] = args;
    response.statusCode = Number(status);
    if (typeof second === 'string') response.statusMessage = second;
    for (const [name, value] of headerPairs(typeof second === 'string' ? third : second)) {
      response.setHeader(name, value);
    }
    return response;
  }

  #write(args: readonly unknown[]): boolean {
    if (this.#state === 'complete') return false;
    if (!this.#isKept()) {
      this.#passThrough();
      return Reflect.apply(this.#original.write, this.#response, args) as boolean;
    }
    this.#add(args);
    return this.#size <= this.#hold.maxBytes || this.#passThrough();
  }

  #end(args: readonly unknown[]): ServerResponse {
    const response = this.#response;
    if (this.#state === 'complete') return response;
    if (!this.#isKept()) {
      this.#passThrough();
      return Reflect.apply(this.#original.end, response, args) as ServerResponse;
    }
    this.#add(args);
    if (this.#size > this.#hold.maxBytes) {
      this.#passThrough();
      return Reflect.apply(this.#original.end, response, []) as ServerResponse;
    }
    this.#state = 'complete';
    this.#resolve({ ...this.#head(), body: Buffer.concat(this.#chunks) });
    return response;
  }

  #isKept(): boolean {
    if (this.#isJudged) return true;
    this.#isJudged = true;
    const cacheStatus = this.#hold.judge(this.#head());
    if (cacheStatus !== undefined) this.#response.setHeader('Cache-Status', cacheStatus);
    return cacheStatus === undefined;
  }

  #head(): ResponseHead {
    const headers = changedFields(this.#before, toFields(this.#response.getHeaders()));
    return { status: this.#response.statusCode, headers };
  }

  /** @param args of `write` and `end`: chunk, encoding and callback, each optional */
  #add(args: readonly unknown[]): void {
    const callback = args.find((one) => typeof one === 'function') as Callback | undefined;
    if (callback !== undefined) this.#callbacks.push(callback);
    const [chunk, encoding] = args;
    if (chunk === undefined || chunk === null || typeof chunk === 'function') return;
    const bytes =
      typeof chunk === 'string'
        ? Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
        : Buffer.from(chunk as Uint8Array);
    this.#chunks.push(bytes);
    this.#size += bytes.length;
  }

  /** Writes what was held back, and lets the rest go its way. @returns false if the client reads too slowly */
  #passThrough(): boolean {
    this.#release();
    let isDrained = true;
    for (const chunk of this.#chunks)
      isDrained = Reflect.apply(this.#original.write, this.#response, [chunk]) as boolean;
    for (const callback of this.#callbacks) callback();
    this.#resolve(undefined);
    return isDrained;
  }

  #abandon(): void {
    if (this.#state !== 'held') return;
    this.#release();
    this.#reject(new RequestOverError());
  }

  #release(): void {
    this.#state = 'released';
    Object.assign(this.#request.headers, this.#conditions);
  }
}

/** The headers of `writeHead`: an object, a list of pairs, or a flat list. */
function headerPairs(headers: unknown): readonly (readonly [string, string | readonly string[]])[] {
  if (headers === undefined || headers === null) return [];
  if (!Array.isArray(headers)) return Object.entries(headers as Record<string, string>);
  if (Array.isArray(headers[0])) return headers as [string, string][];
  const flat = headers as string[];
  return flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? ''] as const] : []));
}
