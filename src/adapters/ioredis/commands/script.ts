import { createHash } from 'node:crypto';
import type { Buffer } from 'node:buffer';
import type { CommandClient } from '../connection/client-types.js';
import { replyCode } from './redis-errors.js';
import type { Topology } from '../connection/topology.js';

export interface ScriptArguments {
  /** At least one; all of them of one slot. */
  readonly keys: readonly string[];
  readonly values: readonly (string | number | Buffer)[];
}

/** A Lua script with the encoding of its arguments and the decoding of its reply. */
export interface Script<Args extends readonly unknown[], Reply> {
  /** The verb, for messages. */
  readonly name: string;
  /** Its first lines document KEYS, ARGV and the reply. */
  readonly lua: string;
  readonly sha: string;
  readonly encode: (...args: Args) => ScriptArguments;
  /** In the reply, strings are buffers, integers are numbers, and `false` of Lua is null. */
  readonly decode: (reply: unknown, ...args: Args) => Reply;
}

export function script<Args extends readonly unknown[], Reply>(
  parts: Omit<Script<Args, Reply>, 'sha'>,
): Script<Args, Reply> {
  return { ...parts, sha: createHash('sha1').update(parts.lua).digest('hex') };
}

/** Rounds to the whole milliseconds that Redis accepts, at least 1. */
export function toWholeMs(ms: number): number {
  return Math.max(1, Math.trunc(ms));
}

/** Runs scripts by their digest (EVALSHA), or by their text (EVAL) if the server does not have them. */
export class ScriptRunner {
  readonly #topology: Topology;

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  /** Returns the key in Redis, with the prefix of the client. */
  storeKey(key: string): string {
    return this.#topology.keyPrefix + key;
  }

  /**
   * @param timeout the caller's own deadline, in ms
   * @throws StoreUnavailableError
   */
  run<Args extends readonly unknown[], Reply>(
    script: Script<Args, Reply>,
    args: Args,
    timeout?: number,
  ): Promise<Reply> {
    return new Promise((resolve, reject) => this.start(script, args, resolve, reject, timeout));
  }

  /** `run` with callbacks instead of a promise, for callers that settle several promises. Calls one of them once. */
  start<Args extends readonly unknown[], Reply>(
    script: Script<Args, Reply>,
    args: Args,
    resolve: (reply: Reply) => void,
    reject: (error: unknown) => void,
    timeout?: number,
  ): void {
    const { keys, values } = script.encode(...args);
    const count = keys.length;
    const parameters: (string | Buffer)[] = [];
    for (const key of keys) parameters.push(this.storeKey(key));
    for (const value of values) parameters.push(typeof value === 'number' ? String(value) : value);
    this.#topology.breakerFor(parameters[0] as string).start(
      script.name,
      () => {
        this.#topology.corkWrites();
        return send(this.#topology.client, script, count, parameters);
      },
      (reply) => {
        let decoded: Reply;
        try {
          decoded = script.decode(reply, ...args);
        } catch (error) {
          reject(error);
          return;
        }
        resolve(decoded);
      },
      reject,
      timeout,
    );
  }
}

function send(
  client: CommandClient,
  { sha, lua }: { readonly sha: string; readonly lua: string },
  count: number,
  keysAndValues: readonly (string | Buffer)[],
): Promise<unknown> {
  return client.evalshaBuffer(sha, count, ...keysAndValues).catch((error: unknown) => {
    // NOSCRIPT means that the script was not run, so sending it again cannot run it twice.
    if (replyCode(error) !== 'NOSCRIPT') throw error;
    return client.evalBuffer(lua, count, ...keysAndValues);
  });
}
