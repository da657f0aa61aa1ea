import { randomBytes } from 'node:crypto';
import { StoreSetupError } from '../../../core/shared/errors.js';
import { clearKey, entryKey } from '../../../core/keys/store-keys.js';
import type { Clock } from '../../../core/ports/clock.js';
import { afterPendingReads } from '../commands/circuit-breaker.js';
import { handshakeError } from '../connection/watch-client.js';
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
  /** True if commands can be sent. */
  readonly isConnected: () => boolean;
  /** True if messages are received. */
  readonly isSubscribed: () => boolean;
}

/**
 * Added to the connect timeout, so that the error of a connection attempt that times out is received before the check
 * ends.
 */
const GRACE_MS = 250;

/** Checks whether the server can be used. If not, the error says why, and what to do. */
export class ReadinessCheck {
  readonly #target: Target;
  readonly #settings: ReadinessSettings;
  readonly #topology: Topology;
  readonly #scripts: ScriptRunner;
  readonly #reader: EntryReader;
  readonly #waiting = new Set<() => void>();
  #lastError: Error | undefined;
  #wrongDatabase: Error | undefined;
  #closed = false;
  #passed: Promise<void> | undefined;

  constructor(
    target: Target,
    settings: ReadinessSettings,
    topology: Topology,
    scripts: ScriptRunner,
    reader: EntryReader,
  ) {
    this.#target = target;
    this.#settings = settings;
    this.#topology = topology;
    this.#scripts = scripts;
    this.#reader = reader;
  }

  /** Called when a connection has become usable, or unusable. */
  changed(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /** Records an error of a connection: the reason in the message if the check fails. */
  recordError(error: Error): void {
    // Keep an informative error: less informative ones that follow are mostly its consequences.
    if (this.#lastError === undefined || informativeness(error) >= informativeness(this.#lastError)) {
      this.#lastError = error;
    }
    if (isOfDatabase(error)) this.#wrongDatabase = error;
    this.changed();
  }

  close(): void {
    this.#closed = true;
    this.changed();
  }

  /**
   * Resolves when the server can be used. A check that has passed is not repeated: later failures are reported by calls
   * and events. One that has failed is repeated by the next call.
   *
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
    await this.#checkConnection();
    if (this.#wrongDatabase !== undefined) throw this.#failure(this.#wrongDatabase);
    await this.#checkServer();
    await this.#checkRights();
  }

  async #checkConnection(): Promise<void> {
    const { clock, connectTimeout, isConnected, isSubscribed } = this.#settings;
    let isLate = false;
    const timer = clock.after(connectTimeout + GRACE_MS, () => {
      afterPendingReads(() => {
        isLate = true;
        this.changed();
      });
    });
    try {
      while (!isConnected() || !isSubscribed()) {
        if (this.#closed) throw this.#error('The Caching was closed.', 'Call ready() before close().');
        if (isLate || (this.#lastError !== undefined && isPermanent(this.#lastError))) {
          throw this.#connectionError();
        }
        await new Promise<void>((resolve) => this.#waiting.add(resolve));
      }
    } finally {
      timer.cancel();
    }
  }

  async #checkServer(): Promise<void> {
    let info: string;
    try {
      info = await this.#topology.breakerFor('').run('INFO', () => this.#topology.client.info());
    } catch (error) {
      // INFO is not required. Without the right to it, version and role are not checked.
      if (error instanceof Error && isDenied(error.message)) return;
      throw this.#failure(error);
    }
    const field = (name: string): string | undefined =>
      new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
    const version = field('redis_version');
    if (version !== undefined && Number.parseInt(version, 10) < 6) {
      throw this.#error(
        `It is Redis ${version}.`,
        'Expected Redis 6.0 or newer, or a compatible server: upgrade the server.',
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

  async #checkRights(): Promise<void> {
    const { namespace, channel } = this.#settings;
    // No logical key contains braces, so no entry has this key. In a Cluster, the hash tag selects a random node.
    const key = entryKey(namespace, `{ready-${randomBytes(6).toString('hex')}}`);
    let failures: readonly [command: string, error: string][];
    try {
      failures = await this.#scripts.run(selfTest, [key, `${channel}:ready`]);
      await this.#reader.read(key, [clearKey(namespace)], undefined);
    } catch (error) {
      throw this.#failure(error);
    }
    const denied = failures.filter(([, error]) => isDenied(error));
    if (denied.length > 0) throw this.#denied(denied.map(([command]) => command.toLowerCase()).join(', '));
    const first = failures[0];
    if (first !== undefined) throw this.#failure(new Error(first[1]), first[0]);
  }

  #connectionError(): StoreSetupError {
    if (this.#lastError !== undefined) return this.#failure(this.#lastError);
    const { connectTimeout, isConnected } = this.#settings;
    if (this.#topology.client.status === 'connect') return this.#failure(handshakeError(connectTimeout));
    return this.#error(
      `${isConnected() ? 'Subscribing to a channel' : 'Connecting'} took longer than ${connectTimeout} ms.`,
      CHECK_ADDRESS,
    );
  }

  /**
   * Converts an error: its meaning, the error itself, and what to do.
   *
   * @param command the command of the self-test that failed
   */
  #failure(error: unknown, command?: string): StoreSetupError {
    const cause = rootCause(error);
    const text = cause.message;
    if (isDenied(text)) return this.#denied(/'([^']+)'/.exec(text)?.[1] ?? text, cause);
    const { meaning, fix } = diagnose(cause);
    const source = command === undefined ? '' : ` of ${command}`;
    return this.#error(`${meaning} The error${source} was ${quoted(text)}.`, fix, cause);
  }

  #denied(rights: string, cause?: unknown): StoreSetupError {
    const user = this.#target.username ?? 'default';
    return this.#error(
      `Its user '${user}' has no right to: ${rights}.`,
      `Expected these rights: ${this.#aclRule(user)}`,
      cause,
    );
  }

  /**
   * The rights that this library needs, and no others: derived from the commands of the self-test, and verified by a
   * test.
   */
  #aclRule(user: string): string {
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

  #error(meaning: string, fix: string, cause?: unknown): StoreSetupError {
    return new StoreSetupError(
      `cachement cannot use ${this.#target.where} (namespace '${this.#settings.namespace}'). ${meaning} ${fix}`,
      cause === undefined ? undefined : { cause },
    );
  }
}

/**
 * The commands that the scripts of this library run, in the form in which the self-test tries them. `KEY` is an unused
 * key. The ACL rule is derived from this table, so that both have the same commands.
 */
const SCRIPT_COMMANDS = [
  // Rate limits and locks.
  ...["ZADD KEY '1' 'ready'", 'ZCARD KEY', "ZCOUNT KEY '-inf' '+inf'", "ZRANGE KEY '0' '-1'"],
  ...["ZSCORE KEY 'ready'", "ZREM KEY 'ready'", "ZREMRANGEBYRANK KEY '0' '-1'"],
  "ZREMRANGEBYSCORE KEY '-inf' '+inf'",
  // Sessions.
  ...["HSET KEY 'v' '1'", "HMGET KEY 'v'"],
  // Entries, and commands of several features.
  ...["SET KEY 'ready' 'PX' '1000'", 'GET KEY', "GETRANGE KEY '0' '20'", "SETRANGE KEY '2' '-'"],
  ...['STRLEN KEY', 'PTTL KEY', "PEXPIRE KEY '1000'", 'TIME', "PUBLISH CHANNEL ''", 'UNLINK KEY'],
].map((line) => line.split(' '));

/** The commands that are sent outside of scripts. */
const CONNECTION_COMMANDS = [
  'ping',
  'info',
  'select',
  'client|setname',
  'mget',
  'scan',
  'eval',
  'evalsha',
  'subscribe',
  'unsubscribe',
];
const CLUSTER_COMMANDS = ['cluster|slots', 'cluster|info', 'asking', 'readonly', 'readwrite'];

function quoted(text: string): string {
  const line = text.replace(/\s+/g, ' ').replace(/[. ]+$/, '');
  return JSON.stringify(line.length > 200 ? `${line.slice(0, 200)}...` : line);
}

const selfTest = script<[key: string, channel: string], readonly [command: string, error: string][]>({
  name: 'self-test',
  lua: `
-- KEYS[1] an unused key
-- ARGV[1] channel
-- Returns the commands that fail: {command, error, command, error, ...}
local failures = {}
local function try(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    table.insert(failures, (...))
    table.insert(failures, reply.err)
  end
end
${SCRIPT_COMMANDS.map(attempt).join('\n')}
return failures
`,
  encode: (key, channel) => ({ keys: [key], values: [channel] }),
  decode: (reply) => {
    const texts = (reply as readonly Uint8Array[]).map(String);
    const pairs: [string, string][] = [];
    for (let i = 0; i + 1 < texts.length; i += 2) pairs.push([texts[i]!, texts[i + 1]!]);
    return pairs;
  },
});

/** Returns the Lua call for a command: `try('GET', KEYS[1])`. */
function attempt([command, ...args]: readonly string[]): string {
  const values = args.map((arg) => (arg === 'KEY' ? 'KEYS[1]' : arg === 'CHANNEL' ? 'ARGV[1]' : arg));
  return `try(${[`'${command!}'`, ...values].join(', ')})`;
}
