import type { ExecutionContext } from 'ava';
import { Cluster, Redis } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5';
import { ioredis, type IoredisOptions } from '../../../src/adapters/ioredis/index.js';
import { systemClock } from '../../../src/core/shared/system-clock.js';
import { encodeEntry } from '../../../src/core/ports/entry-format.js';
import { StoreUnavailableError } from '../../../src/core/shared/errors.js';
import { clearKey, entryKey, tagChangesKey, tagKey } from '../../../src/core/keys/store-keys.js';
import type { Backend } from '../../../src/core/ports/adapter.js';
import type { Clock } from '../../../src/core/ports/clock.js';
import type { EntryStore } from '../../../src/core/ports/entry-store.js';
import { newToken } from '../../../src/core/shared/token.js';
import { eventually } from '../../support/eventually.js';
import { LATER } from '../../support/later.js';

/** A backend with its host, which records what it is told. */
export interface Rig {
  readonly namespace: string;
  readonly backend: Backend;
  readonly entries: EntryStore;
  readonly woken: readonly string[];
  /** `degraded: <reason>` and `recovered`, in order. */
  readonly changes: readonly string[];
  readonly clear: string;
  readonly tagChanges: string;
  /** Resolves when the wakeups for these names are received. The calls of `woken` for that are taken out. */
  listening(...names: readonly string[]): Promise<void>;
  entry(key: string): string;
  tag(name: string): string;
}

let rigs = 0;

export type Target = Parameters<typeof ioredis>[0];

export interface RigOptions extends IoredisOptions {
  /** Default: one of its own. */
  readonly namespace?: string;
  readonly clock?: Clock;
}

/**
 * Opens a backend; the test closes it at its end, whatever becomes of it. Deadlines are the usual ones where the test
 * has time in its hand; otherwise they are long, because the machine may be busy with other tests.
 */
export function open(t: ExecutionContext, target: Target, rigOptions: RigOptions = {}): Rig {
  const { namespace = `rig-${process.pid}-${++rigs}`, clock = systemClock, ...given } = rigOptions;
  const options =
    clock === systemClock ? ({ timeout: '20s', connectTimeout: '20s', ...given } as const) : given;
  const woken: string[] = [];
  const changes: string[] = [];
  const backend = ioredis(target, options).open({
    namespace,
    clock,
    wake: (key) => void woken.push(key),
    degraded: (error) => void changes.push(`degraded: ${error.message}`),
    recovered: () => void changes.push('recovered'),
  });
  t.teardown(() => backend.close());
  return {
    namespace,
    backend,
    entries: backend.entries,
    woken,
    listening: async (...names) => {
      const before = woken.length;
      for (const name of names) backend.listen!(name);
      for (const name of names)
        await eventually(`${name} is listened for`, () => woken.includes(name, before));
      woken.length = before;
    },
    changes,
    clear: clearKey(namespace),
    tagChanges: tagChangesKey(namespace),
    entry: (key) => entryKey(namespace, key),
    tag: (name) => tagKey(namespace, name),
  };
}

/** `open`, once it is ready. */
export async function ready(t: ExecutionContext, target: Target, options?: RigOptions): Promise<Rig> {
  const rig = open(t, target, options);
  await rig.backend.ready();
  return rig;
}

/** A plain client, to look at Redis from the side. */
export function admin(t: ExecutionContext, url: string): Redis {
  const client = new Redis(url);
  client.on('error', () => {});
  t.teardown(() => client.disconnect());
  return client;
}

/** Both majors that are supported. */
export const MAJORS = [
  { major: 6, Redis, Cluster },
  // Structurally the same for these tests, and nominally another class.
  { major: 5, Redis: Redis5 as unknown as typeof Redis, Cluster: Cluster5 as unknown as typeof Cluster },
] as const;

/** The record of a value. */
export function valueOf(token: string, payload = 'value'): Buffer {
  return encodeEntry('k', {
    token,
    codec: 1,
    loadStart: 1,
    freshUntil: 2,
    clearNonce: newToken(),
    tags: [],
    payload: Buffer.from(payload),
  });
}

/** Ends a load for which another caller waits, so that its end is published. */
export async function endLoad({ entries, entry }: Rig, key: string): Promise<void> {
  const token = newToken();
  await entries.lease(entry(key), token, 60_000, '*');
  await entries.lease(entry(key), newToken(), 60_000, undefined);
  await entries.release(entry(key), token);
}

/** Leases and fills: afterwards the value stands there. */
export async function store(entries: EntryStore, key: string, payload = 'value'): Promise<Buffer> {
  const token = newToken();
  await entries.lease(key, token, 10_000, '*');
  const record = valueOf(token, payload);
  await entries.fill(key, token, record, LATER);
  return record;
}

/** The error with which it is rejected before anything else can happen: it did not wait. */
export async function refusedAtOnce(call: Promise<unknown>): Promise<StoreUnavailableError | undefined> {
  let refusal: unknown;
  call.catch((error: unknown) => (refusal = error));
  await new Promise((resolve) => process.nextTick(resolve));
  await new Promise((resolve) => process.nextTick(resolve));
  return refusal instanceof StoreUnavailableError ? refusal : undefined;
}

/** How often a server has run a command. */
export async function callsOf(client: Redis, command: string): Promise<number> {
  const stats = await client.info('commandstats');
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}
