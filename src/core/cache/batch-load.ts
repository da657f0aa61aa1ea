import { describe } from '../shared/describe.js';
import { OptionsError } from '../shared/errors.js';
import type { BatchMember, CacheCall } from './cache-call.js';
import type { CacheEngine } from './cache-engine.js';
import { currentLoadContext, runWithinLoads, type LoadContext } from './load-context.js';

/** What the loader of a batch may return: by id, or a list in the order of the ids that it was called with. */
export type BatchResult<Id, T> =
  | ReadonlyMap<Id, T>
  | readonly (T | undefined)[]
  | Readonly<Record<string, T | undefined>>;

/** One call for several ids. */
export interface BatchCall<Id, T> {
  /** Each id with its cached call, without a loader. */
  readonly calls: readonly {
    readonly id: Id;
    readonly own: Omit<CacheCall<T | undefined>, 'load' | 'bulkhead' | 'batch'>;
  }[];
  /** Loads the ids that are missing. */
  readonly load: (ids: Id[]) => Promise<unknown>;
  /** The id of a value in a list; undefined if lists are in the order of the ids. */
  readonly idOf: ((value: T) => Id) | undefined;
  /** How many ids `load` is called with at most. */
  readonly chunkSize: number | undefined;
  /** Names the call in errors. */
  readonly label: string;
}

/**
 * Returns the values of several ids, in their order. Each id is a cached call of its own: with its own lease, fence and
 * flight, which it shares with calls for the same key of other methods. The entries are looked up together, and the ids that
 * are missing are loaded together.
 *
 * @param how `refresh`: all ids are loaded, and replace what is stored
 * @throws what `load` throws; OptionsError for a result of another form
 * @see I23 in docs/coherence.md
 */
export function readBatch<Id, T>(
  engine: CacheEngine,
  call: BatchCall<Id, T>,
  how: 'read' | 'refresh' = 'read',
): Promise<(T | undefined)[]> {
  const batch = new BatchLoad(call);
  const { calls } = call;
  // Two ids with one key are one: 42 and '42', say.
  const unique = new Map(calls.map((one) => [one.own.key, one]));
  batch.expect(unique.size);
  const values = new Map<string, Promise<T | undefined>>();
  for (const [key, { id, own }] of unique) {
    const member = batch.member(id);
    const sample = own.sample && { ...own.sample, load: () => loadAlone(call, id) };
    const one = { ...own, load: member.load, bulkhead: undefined, batch: member, sample };
    const value = how === 'read' ? engine.read(one) : engine.refresh(one);
    values.set(key, value);
    value.then(member.decided, member.decided);
  }
  return Promise.all(calls.map(({ own }) => values.get(own.key)!));
}

/** Loads one id beside the batch. */
export async function loadAlone<Id, T>(call: BatchCall<Id, T>, id: Id): Promise<T | undefined> {
  return reader<Id, T>(await call.load([id]), [id], call)(id);
}

interface Wanted<Id, T> {
  readonly id: Id;
  readonly context: LoadContext | undefined;
  resolve(value: T | undefined): void;
  reject(error: unknown): void;
}

/** Collects the ids that are missing, and loads them once every id of the call is decided. */
class BatchLoad<Id, T> {
  readonly #call: BatchCall<Id, T>;
  #undecided = 0;
  #wanted: Wanted<Id, T>[] = [];
  #isScheduled = false;

  constructor(call: BatchCall<Id, T>) {
    this.#call = call;
  }

  expect(members: number): void {
    this.#undecided = members;
  }

  member(id: Id): BatchMember & { readonly load: () => Promise<T | undefined> } {
    let isDecided = false;
    const decided = (): void => {
      if (isDecided) return;
      isDecided = true;
      this.#undecided -= 1;
      if (this.#undecided === 0) this.#flush();
    };
    const load = (): Promise<T | undefined> =>
      new Promise((resolve, reject) => {
        this.#wanted.push({ id, context: currentLoadContext(), resolve, reject });
        if (isDecided) this.#flushSoon();
        decided();
      });
    return { decided, load };
  }

  /** For ids that another process should have loaded, and has not: those of one wake-up are loaded together. */
  #flushSoon(): void {
    if (this.#isScheduled || this.#undecided > 0) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const wanted = this.#wanted;
    this.#wanted = [];
    const { chunkSize = wanted.length } = this.#call;
    for (let from = 0; from < wanted.length; from += chunkSize) {
      void this.#load(wanted.slice(from, from + chunkSize));
    }
  }

  async #load(wanted: readonly Wanted<Id, T>[]): Promise<void> {
    try {
      const contexts = wanted.flatMap(({ context }) => (context === undefined ? [] : [context]));
      const ids = wanted.map(({ id }) => id);
      const result = await runWithinLoads(contexts, () => this.#call.load(ids));
      const valueOf = reader<Id, T>(result, ids, this.#call);
      for (const { id, resolve } of wanted) resolve(valueOf(id));
    } catch (error) {
      for (const { reject } of wanted) reject(error);
    }
  }
}

/** Returns the value of an id in a result, undefined if it has none. */
function reader<Id, T>(
  result: unknown,
  ids: readonly Id[],
  { idOf, label }: Pick<BatchCall<Id, T>, 'idOf' | 'label'>,
): (id: Id) => T | undefined {
  if (isMap(result)) return (id) => result.get(id) as T | undefined;
  if (Array.isArray(result)) {
    const list = result as readonly (T | undefined)[];
    if (idOf !== undefined) {
      const values = new Map(
        list.flatMap((value) => (value === undefined || value === null ? [] : [[idOf(value), value]])),
      );
      return (id) => values.get(id);
    }
    // guard: list-of-a-batch-has-a-value-for-each-id
    if (list.length !== ids.length) {
      throw new OptionsError(
        `${label} was called with ${ids.length} ids and returned a list of ${list.length}. A list has one value for each id, in ` +
          'the order of the ids. Return a Map, or name the id of a value: idOf: (user) => user.id.',
      );
    }
    const values = new Map(ids.map((id, i) => [id, list[i]]));
    return (id) => values.get(id);
  }
  if (typeof result === 'object' && result !== null) {
    const record = result as Readonly<Record<string, T>>;
    return (id) => (Object.hasOwn(record, String(id)) ? record[String(id)] : undefined);
  }
  throw new OptionsError(
    `${label} returns the values of several ids: a Map, a list or an object, and it returned ${describe(result)}.`,
  );
}

/** True for a Map of this or another realm. */
export function isMap(value: unknown): value is ReadonlyMap<unknown, unknown> {
  return Object.prototype.toString.call(value) === '[object Map]';
}
