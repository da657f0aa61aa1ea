import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, Redis, type SentinelAddress } from 'ioredis';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { Caching, LockNotObtainedError, LockUnavailableError, subscribe } from '../../../src/index.js';
import { serveWorker, type WorkerContext } from '../../support/process.js';
import type { HistoryEvent } from '../history/check-history.js';
import { asCall, callUnderWay, now } from './calls.js';
import type { LockedBody } from './check-locked-bodies.js';
import { NAMESPACE, SUBJECTS, guardedBy, type Held, type Limited, type LockKind } from './guarded.js';
import { kindsOf } from './items.js';
import { MODES, namespaceOf, type Mode } from './modes.js';

export type Target =
  | { readonly kind: 'cluster'; readonly nodes: { readonly host: string; readonly port: number }[] }
  | { readonly kind: 'sentinel'; readonly sentinels: SentinelAddress[]; readonly name: string };

export interface TopologyWorkerInit {
  readonly index: number;
  readonly target: Target;
  readonly databaseUrl: string;
  /** Rows of each kind. */
  readonly rows: number;
}

/** An event of the history, with the record that an invalidation has changed. */
export type RecordedEvent = HistoryEvent & {
  readonly record: string;
  /** For invalidations: when the call began. */
  readonly asked?: number;
  /** For invalidations: a replica has confirmed it. */
  readonly replicated?: boolean;
};

export interface WorkerHistory {
  readonly entries: Readonly<Record<Mode, readonly RecordedEvent[]>>;
  readonly limited: readonly Limited[];
  readonly held: readonly Held[];
  readonly locked: readonly LockedBody[];
  readonly failed: {
    /** Reads and updates that rejected: none should. */
    readonly calls: number;
    /** Steps of reads that Redis did not do: the method ran instead, or its value was not stored. */
    readonly withoutStore: number;
    /** Invalidations that Redis did not take at once: they were queued. */
    readonly queued: number;
    /** Calls of limits that Redis did not decide. */
    readonly limits: number;
    /** Calls for locks that others held, or that Redis did not give. */
    readonly locksHeld: number;
    readonly locksUnavailable: number;
    readonly leasesLost: number;
    /** `degraded` events. */
    readonly degraded: number;
  };
  /** The first errors of reads and updates, and what nobody has caught. */
  readonly errors: readonly string[];
}

const READERS = 3;
const READ_EVERY_MS = 6;
const WRITERS = 1;
const WRITE_EVERY_MS = 60;
const GUARD_EVERY_MS = 12;
const BATCH = 3;
const MAX_ERRORS = 10;

function cachingOn(target: Target, namespace: string, mode: Mode): Caching {
  const client =
    target.kind === 'cluster'
      ? new Cluster(target.nodes, { lazyConnect: true })
      : new Redis({ sentinels: target.sentinels, name: target.name, lazyConnect: true });
  return new Caching({
    adapter: ioredis(client, { timeout: '1s', connectTimeout: '1s' }),
    namespace,
    defaults: { storeTimeout: '1s' },
    limits: { onUnavailable: 'deny', storeTimeout: '1s', denialCache: false },
    ...(mode === 'none' ? {} : { l1: { coherence: mode, maxEntries: 1_000 } }),
  });
}

export async function serve({ init, emit }: WorkerContext<TopologyWorkerInit>): Promise<{
  /** Resolves after `finish`. */
  run(): Promise<WorkerHistory>;
  finish(): void;
}> {
  const finish = new AbortController();
  const database = new Redis(init.databaseUrl);
  const cachings = MODES.map((mode) => ({ mode, caching: cachingOn(init.target, namespaceOf(mode), mode) }));
  const guards = cachingOn(init.target, NAMESPACE, 'none');
  await Promise.all([...cachings.map(({ caching }) => caching.ready()), guards.ready()]);
  const guarded = guardedBy(guards, init.index, finish.signal);

  const failed = {
    calls: 0,
    withoutStore: 0,
    queued: 0,
    limits: 0,
    locksHeld: 0,
    locksUnavailable: 0,
    leasesLost: 0,
    degraded: 0,
  };
  const errors: string[] = [];
  const note = (error: unknown): void => {
    if (errors.length < MAX_ERRORS) errors.push(error instanceof Error ? error.stack! : String(error));
  };
  process.on('unhandledRejection', note);
  process.on('uncaughtException', note);
  subscribe('hit', ({ tier, key, namespace }) => {
    if (tier === 'l1' && namespace !== namespaceOf('validate')) callUnderWay()?.fromMemory.add(key);
  });
  // Published by the call that invalidates or puts, before it returns.
  const acknowledge = (acknowledged: boolean): void => {
    const call = callUnderWay();
    if (call !== undefined) call.acknowledged = acknowledged;
  };
  subscribe('invalidate', ({ acknowledged }) => acknowledge(acknowledged));
  subscribe('fill', () => acknowledge(true));
  subscribe('error', ({ operation }) => {
    if (['read', 'lease', 'fill'].includes(operation)) failed.withoutStore += 1;
  });
  subscribe('lockLost', () => void (failed.leasesLost += 1));
  subscribe('degraded', ({ error, namespace }) => {
    failed.degraded += 1;
    emit('degraded', `${namespace}: ${error.message}`);
  });

  const entries: Record<Mode, RecordedEvent[]> = { none: [], bus: [], tracking: [], validate: [] };
  const limited: Limited[] = [];
  const held: Held[] = [];
  const locked: LockedBody[] = [];

  const readersOf = (mode: Mode, caching: Caching): Promise<void>[] => {
    const kinds = kindsOf(caching, namespaceOf(mode), database);
    const pick = (name: string): string => `${name}-${Math.floor(Math.random() * init.rows)}`;
    const any = (): (typeof kinds)[number] => kinds[Math.floor(Math.random() * kinds.length)]!;
    const read = async (): Promise<void> => {
      const kind = any();
      const ids = new Set(Array.from({ length: kind.name === 'many' ? BATCH : 1 }, () => pick(kind.name)));
      await asCall(async ({ start, fromMemory }) => {
        const rows = await kind.read([...ids]);
        const end = now();
        for (const [id, { version, began, asked }] of rows) {
          entries[mode].push({
            ...{ type: 'read', process: init.index, key: id, start, end, version, began, asked },
            fromMemory: fromMemory.has(kind.key(id)),
            record: kind.record(id),
          });
        }
      });
    };
    const update = async (): Promise<void> => {
      const kind = any();
      const id = pick(kind.name);
      await asCall(async (call) => {
        const { version, replicated = false } = await kind.update(id);
        if (!call.acknowledged) failed.queued += 1;
        entries[mode].push({
          ...{ type: 'invalidation', process: init.index, key: id, version, ended: now(), asked: call.start },
          acknowledged: call.acknowledged,
          replicated,
          record: kind.record(id),
        });
      });
    };
    const repeat = async (work: () => Promise<void>, everyMs: number): Promise<void> => {
      while (!finish.signal.aborted) {
        await work().catch((error: unknown) => {
          failed.calls += 1;
          note(error);
        });
        await delay(Math.random() * everyMs);
      }
    };
    return [
      ...Array.from({ length: READERS }, () => repeat(read, READ_EVERY_MS)),
      ...Array.from({ length: WRITERS }, () => repeat(update, WRITE_EVERY_MS)),
    ];
  };

  const guardsOf = (): Promise<void>[] => {
    const repeat = async (work: (subject: number) => Promise<void>): Promise<void> => {
      while (!finish.signal.aborted) {
        await work(Math.floor(Math.random() * SUBJECTS));
        await delay(Math.random() * GUARD_EVERY_MS);
      }
    };
    const limit = (name: 'gcra' | 'log' | 'fixed') => async (subject: number) => {
      const { failed: hasFailed, ...made } = await guarded.limit[name](subject);
      if (hasFailed) failed.limits += 1;
      limited.push(made);
    };
    const lock = (kind: LockKind) => async (subject: number) => {
      try {
        locked.push(await guarded.lock(kind, subject));
      } catch (error) {
        if (error instanceof LockNotObtainedError) failed.locksHeld += 1;
        else if (error instanceof LockUnavailableError) failed.locksUnavailable += 1;
        else note(error);
      }
    };
    return [
      ...(['gcra', 'log', 'fixed'] as const).map((name) => repeat(limit(name))),
      repeat(async (subject) => {
        const made = await guarded.slots(subject);
        if (made.run.outcome === 'unknown') failed.limits += 1;
        held.push(made);
      }),
      ...(['plain', 'fair', 'several', 'long', 'permits'] as const).map((kind) => repeat(lock(kind))),
    ];
  };

  return {
    async run() {
      await Promise.all([
        ...cachings.flatMap(({ mode, caching }) => readersOf(mode, caching)),
        ...guardsOf(),
      ]);
      await Promise.all([...cachings.map(({ caching }) => caching.close()), guards.close()]);
      database.disconnect();
      return { entries, limited, held, locked, failed, errors };
    },
    finish() {
      finish.abort();
    },
  };
}

void serveWorker(serve);
