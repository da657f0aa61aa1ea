import { randomBytes } from 'node:crypto';
import { StoreSetupError } from '../../../core/shared/errors.js';
import { clearKey, entryKey } from '../../../core/keys/store-keys.js';
import type { Clock } from '../../../core/ports/clock.js';
import { afterPendingReads } from '../commands/circuit-breaker.js';
import { silence } from '../connection/watch-client.js';
import { isDenied } from '../commands/redis-errors.js';
import type { EntryReader } from '../entries/entry-reader.js';
import { script, type ScriptRunner } from '../commands/script.js';
import type { Topology } from '../connection/topology.js';
import {
  rootCause,
  diagnose,
  isPermanent,
  isOfDatabase,
  CHECK_ADDRESS,
  READ_ONLY,
  informativeness,
} from './setup-diagnosis.js';
import type { Target } from '../connection/target.js';

export interface ReadinessSettings {
  readonly clock: Clock;
  readonly namespace: string;
  readonly channel: string;
  readonly connectTimeout: number;
  /** Commands can be sent. */
  readonly connected: () => boolean;
  /** Messages are received. */
  readonly subscribed: () => boolean;
}

/** On top of the time to connect, so that what connecting ended with is heard. */
const GRACE_MS = 250;

/** Whether the store can be used, and if not, why, in words that help. */
export class ReadinessCheck {
  readonly #target: Target;
  readonly #settings: ReadinessSettings;
  readonly #servers: Topology;
  readonly #scripts: ScriptRunner;
  readonly #reads: EntryReader;
  readonly #waiting = new Set<() => void>();
  #lastError: Error | undefined;
  #wrongDatabase: Error | undefined;
  #closed = false;
  #passed: Promise<void> | undefined;

  constructor(
    target: Target,
    settings: ReadinessSettings,
    servers: Topology,
    scripts: ScriptRunner,
    reads: EntryReader,
  ) {
    this.#target = target;
    this.#settings = settings;
    this.#servers = servers;
    this.#scripts = scripts;
    this.#reads = reads;
  }

  /** A connection has become usable. */
  changed(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  recordError(error: Error): void {
    // What comes after a clear reason is mostly its consequence.
    if (this.#lastError === undefined || informativeness(error) >= informativeness(this.#lastError))
      this.#lastError = error;
    if (isOfDatabase(error)) this.#wrongDatabase = error;
    this.changed();
  }

  close(): void {
    this.#closed = true;
    this.changed();
  }

  /**
   * Once it has resolved it stays so: what happens later is told by calls and events.
   * @throws StoreSetupError
   */
  check(): Promise<void> {
    this.#passed ??= this.#check().catch((error: unknown) => {
      this.#passed = undefined;
      throw error;
    });
    return this.#passed;
  }

  async #check(): Promise<void> {
    this.#lastError = undefined;
    await this.#connection();
    if (this.#wrongDatabase !== undefined) throw this.#failure(this.#wrongDatabase);
    await this.#server();
    await this.#rights();
  }

  async #connection(): Promise<void> {
    const { clock, connectTimeout, connected, subscribed } = this.#settings;
    let late = false;
    const timer = clock.after(connectTimeout + GRACE_MS, () => {
      afterPendingReads(() => {
        late = true;
        this.changed();
      });
    });
    try {
      while (!connected() || !subscribed()) {
        if (this.#closed) throw this.#error('It was closed.', 'Call ready() before close().');
        if (late || (this.#lastError !== undefined && isPermanent(this.#lastError)))
          throw this.#connectionError();
        await new Promise<void>((resolve) => this.#waiting.add(resolve));
      }
    } finally {
      timer.cancel();
    }
  }

  async #server(): Promise<void> {
    let info: string;
    try {
      info = await this.#servers.breakerFor('').run('INFO', () => this.#servers.client.info());
    } catch (error) {
      // Without the right to INFO nothing is known, and nothing is wrong.
      if (error instanceof Error && isDenied(error.message)) return;
      throw this.#failure(error);
    }
    const field = (name: string): string | undefined =>
      new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
    const version = field('redis_version');
    if (version !== undefined && Number.parseInt(version, 10) < 6) {
      throw this.#error(
        `It is Redis ${version}.`,
        'Expected Redis 6.0 or newer, or what is compatible with it: upgrade the server.',
      );
    }
    if (this.#target.kind === 'cluster') return;
    if (field('cluster_enabled') === '1') {
      throw this.#error(
        'It is a node of a Redis Cluster, and a client for one server was given.',
        "Pass a Cluster client: ioredis(new Cluster([{ host, port }])) with `import { Cluster } from 'ioredis'`.",
      );
    }
    if (field('role') === 'slave') throw this.#error(...READ_ONLY);
  }

  async #rights(): Promise<void> {
    const { namespace, channel } = this.#settings;
    // Braces stand in no logical key, so this is nobody's; and in a Cluster it goes to some node or other.
    const key = entryKey(namespace, `{ready-${randomBytes(6).toString('hex')}}`);
    let wrong: readonly [command: string, error: string][];
    try {
      wrong = await this.#scripts.run(selfTest, [key, channel]);
      await this.#reads.read(key, [clearKey(namespace)], undefined);
    } catch (error) {
      throw this.#failure(error);
    }
    const denied = wrong.filter(([, error]) => isDenied(error));
    if (denied.length > 0) throw this.#denied(denied.map(([command]) => command.toLowerCase()).join(', '));
    const first = wrong[0];
    if (first !== undefined) throw this.#failure(new Error(first[1]), first[0]);
  }

  #connectionError(): StoreSetupError {
    const problem = this.#lastError;
    if (problem !== undefined) return this.#failure(problem);
    const { connectTimeout, connected } = this.#settings;
    if (this.#servers.client.status === 'connect') return this.#failure(silence(connectTimeout));
    return this.#error(
      `${connected() ? 'Subscribing to a channel' : 'Connecting'} took longer than ${connectTimeout} ms.`,
      CHECK_ADDRESS,
    );
  }

  /** What a failure means, and what to do about it. */
  #failure(error: unknown, during?: string): StoreSetupError {
    const cause = rootCause(error);
    const text = cause.message;
    if (isDenied(text)) return this.#denied(/'([^']+)'/.exec(text)?.[1] ?? text, cause);
    const { meaning: came, fix: mend } = diagnose(cause);
    return this.#error(
      `${came} It said${during === undefined ? '' : ` to ${during}`}: ${quoted(text)}.`,
      mend,
      cause,
    );
  }

  #denied(what: string, cause?: unknown): StoreSetupError {
    const user = this.#target.username ?? 'default';
    return this.#error(
      `Its user '${user}' has no right to: ${what}.`,
      `Expected these rights: ${this.#rule(user)}`,
      cause,
    );
  }

  /** Verified by a test: all that is needed and no more. */
  #rule(user: string): string {
    const { namespace } = this.#settings;
    const scripts = SCRIPT_COMMANDS.map(([command]) => command!.toLowerCase());
    const commands = [
      ...CONNECTION_COMMANDS,
      ...scripts,
      ...(this.#target.kind === 'cluster' ? CLUSTER_COMMANDS : []),
    ];
    const rights = commands.map((command) => `+${command}`).join(' ');
    const prefix = this.#target.keyPrefix.replace(/[\\*?[\]]/g, '\\$&');
    return `ACL SETUSER ${user} resetkeys ~${prefix}${namespace}:* resetchannels &${namespace}:* -@all ${rights}`;
  }

  #error(came: string, mend: string, cause?: unknown): StoreSetupError {
    return new StoreSetupError(
      `cachement cannot use ${this.#target.where} (namespace '${this.#settings.namespace}'). ${came} ${mend}`,
      cause === undefined ? undefined : { cause },
    );
  }
}

/** What the scripts of this library run, as a self-test can try it: `KEY` is a key that nobody uses. */
const SCRIPT_COMMANDS = [
  // Rate limits and locks.
  ...["ZADD KEY '1' 'ready'", 'ZCARD KEY', "ZCOUNT KEY '-inf' '+inf'", "ZRANGE KEY '0' '-1'"],
  ...["ZSCORE KEY 'ready'", "ZREM KEY 'ready'", "ZREMRANGEBYRANK KEY '0' '-1'"],
  "ZREMRANGEBYSCORE KEY '-inf' '+inf'",
  // Entries, and what all use.
  ...["SET KEY 'ready' 'PX' '1000'", 'GET KEY', "GETRANGE KEY '0' '20'", "SETRANGE KEY '2' '-'"],
  ...['STRLEN KEY', 'PTTL KEY', "PEXPIRE KEY '1000'", 'TIME', "PUBLISH CHANNEL ''", 'UNLINK KEY'],
].map((line) => line.split(' '));

const CONNECTION_COMMANDS = [
  'ping',
  'info',
  'select',
  'client|setname',
  'mget',
  'eval',
  'evalsha',
  'subscribe',
];
const CLUSTER_COMMANDS = ['cluster|slots', 'cluster|info', 'asking', 'readonly', 'readwrite'];

function quoted(text: string): string {
  const line = text.replace(/\s+/g, ' ').replace(/[. ]+$/, '');
  return JSON.stringify(line.length > 200 ? `${line.slice(0, 200)}...` : line);
}

const selfTest = script<[key: string, channel: string], readonly [command: string, error: string][]>({
  name: 'self-test',
  lua: `
-- KEYS[1] a key that nobody uses
-- ARGV[1] channel
-- Returns what the scripts of this library would fail at: {command, error, command, error, ...}
local wrong = {}
local function try(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    table.insert(wrong, (...))
    table.insert(wrong, reply.err)
  end
end
${SCRIPT_COMMANDS.map(attempt).join('\n')}
return wrong
`,
  encode: (key, channel) => ({ keys: [key], values: [channel] }),
  decode: (reply) => {
    const texts = (reply as readonly Uint8Array[]).map(String);
    const pairs: [string, string][] = [];
    for (let i = 0; i + 1 < texts.length; i += 2) pairs.push([texts[i]!, texts[i + 1]!]);
    return pairs;
  },
});

/** `try('GET', KEYS[1])` */
function attempt([command, ...args]: readonly string[]): string {
  const values = args.map((arg) => (arg === 'KEY' ? 'KEYS[1]' : arg === 'CHANNEL' ? 'ARGV[1]' : arg));
  return `try(${[`'${command!}'`, ...values].join(', ')})`;
}
