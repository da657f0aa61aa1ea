import { createHash } from 'node:crypto';
import type { Buffer } from 'node:buffer';
import type { CommandClient } from './client.js';
import { replyCode } from './failures.js';
import type { Keyspace } from './keyspace.js';
import type { Servers } from './servers.js';

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
export function whole(ms: number): number {
  return Math.max(1, Math.trunc(ms));
}

/** Runs scripts by their digest, and by their text where the server does not know it (any more). */
export class Scripts {
  readonly #servers: Servers;
  readonly #keyspace: Keyspace;

  constructor(servers: Servers, keyspace: Keyspace) {
    this.#servers = servers;
    this.#keyspace = keyspace;
  }

  /** The key in Redis. */
  name(key: string): string {
    return this.#keyspace.name(key);
  }

  /** @throws StoreUnavailableError */
  async run<Args extends readonly unknown[], Reply>(
    script: Script<Args, Reply>,
    args: Args,
    budget?: number,
  ): Promise<Reply> {
    const { keys, values } = script.encode(...args);
    const count = keys.length;
    const names: (string | Buffer)[] = keys.map((key) => this.#keyspace.name(key));
    const breaker = this.#servers.breakerOf(names[0] as string);
    for (const value of values) names.push(typeof value === 'number' ? String(value) : value);
    const reply = await breaker.run(
      script.name,
      () => {
        this.#servers.gather();
        return send(this.#servers.client, script, count, names);
      },
      budget,
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
