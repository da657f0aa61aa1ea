import { createHash } from 'node:crypto';
import type { Buffer } from 'node:buffer';
import type { CommandClient } from '../connection/client-types.js';
import { replyCode } from './redis-errors.js';
import type { Topology } from '../connection/topology.js';

export interface ScriptArguments {
  /** All of one slot, and at least one. */
  readonly keys: readonly string[];
  readonly values: readonly (string | number | Buffer)[];
}

/** A Lua script, the order of its arguments and the meaning of its reply, in one place. */
export interface Script<Args extends readonly unknown[], Reply> {
  /** What it does, for messages. */
  readonly name: string;
  /** Its first lines say what KEYS, ARGV and the reply are. */
  readonly lua: string;
  readonly sha: string;
  readonly encode: (...args: Args) => ScriptArguments;
  /** Strings come as buffers, integers as numbers, `false` of Lua as null. */
  readonly decode: (reply: unknown, ...args: Args) => Reply;
}

export function script<Args extends readonly unknown[], Reply>(
  parts: Omit<Script<Args, Reply>, 'sha'>,
): Script<Args, Reply> {
  return { ...parts, sha: createHash('sha1').update(parts.lua).digest('hex') };
}

/** Redis takes whole milliseconds, at least one. */
export function toWholeMs(ms: number): number {
  return Math.max(1, Math.trunc(ms));
}

/** Runs scripts by their digest, and by their text where the server does not know it (any more). */
export class ScriptRunner {
  readonly #topology: Topology;

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  /** The key in Redis, with the prefix of the client. */
  storeKey(key: string): string {
    return this.#topology.keyPrefix + key;
  }

  /**
   * @param timeout the caller's own deadline, in ms
   * @throws StoreUnavailableError
   */
  async run<Args extends readonly unknown[], Reply>(
    script: Script<Args, Reply>,
    args: Args,
    timeout?: number,
  ): Promise<Reply> {
    const { keys, values } = script.encode(...args);
    const count = keys.length;
    const parameters: (string | Buffer)[] = keys.map((key) => this.storeKey(key));
    const breaker = this.#topology.breakerFor(parameters[0] as string);
    for (const value of values) parameters.push(typeof value === 'number' ? String(value) : value);
    const reply = await breaker.run(
      script.name,
      () => {
        this.#topology.corkWrites();
        return send(this.#topology.client, script, count, parameters);
      },
      timeout,
    );
    return script.decode(reply, ...args);
  }
}

async function send(
  client: CommandClient,
  { sha, lua }: { readonly sha: string; readonly lua: string },
  count: number,
  keysAndValues: readonly (string | Buffer)[],
): Promise<unknown> {
  try {
    return await client.evalshaBuffer(sha, count, ...keysAndValues);
  } catch (error) {
    // It was not run, so running it now runs it once.
    if (replyCode(error) !== 'NOSCRIPT') throw error;
    return client.evalBuffer(lua, count, ...keysAndValues);
  }
}
