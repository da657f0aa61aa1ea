import type { CachingOptions } from '../../../src/core/caching.js';
import type { GetOrSetOptions } from '../../../src/core/cache/cache.js';

/** Of all values, in ms. */
export const TTL = 10_000;

/** What a call loads. */
export interface Value {
  /** Of the row. */
  readonly version: number;
  /** When the load began. */
  readonly at: number;
  /** The load, if ages are checked. */
  readonly id?: string;
  /** The call of `set` that has stored it: its version was not known yet. */
  readonly set?: string;
}

export type Options = Partial<GetOrSetOptions<Value>>;

/** Which entries a write invalidates. */
export interface Target {
  readonly keys?: readonly string[];
  readonly tags?: readonly string[];
  readonly all?: boolean;
}

/** A call of an actor. A key has the row of its name. */
export type Call =
  | { readonly do: 'read' | 'refresh'; readonly key: string; readonly options?: Options }
  | { readonly do: 'readMany'; readonly keys: readonly string[] }
  | { readonly do: 'get'; readonly key: string }
  /** Writes the row, and invalidates after it. */
  | { readonly do: 'write'; readonly row: string; readonly target: Target }
  /** The same, with a mark before the write. */
  | { readonly do: 'writeSafely'; readonly row: string; readonly target: Target; readonly safe: number }
  | { readonly do: 'put'; readonly row: string; readonly options?: Options }
  /** Stores the version that the row has when the lease is granted: that is when this load begins. */
  | { readonly do: 'set'; readonly row: string }
  /** Time passes. What is due runs; requests and replies do not move. */
  | { readonly do: 'pass'; readonly ms: number };

/** Makes its calls one after the other, in one process. */
export interface Actor {
  readonly name: string;
  /** The number of the process. */
  readonly on: number;
  readonly calls: readonly Call[];
}

/** What can happen beside the calls, in every order, at most so often in a run. */
export interface Bounds {
  /** Requests or replies that are lost, or requests that arrive after their caller has given up. */
  readonly faults: number;
  /** Loaders and writes that throw. */
  readonly failures: number;
  /** Records that the store evicts. */
  readonly evictions: number;
  /** Steps of time to the next timer while something else can happen, too. */
  readonly timers: number;
  /** Deaths of the first process during one of its calls. */
  readonly kills: number;
}

export interface SetUp {
  readonly title: string;
  /** @default 1 */
  readonly processes?: number;
  readonly actors: readonly Actor[];
  /** Calls that are made before, alone. */
  readonly before?: readonly (Call & { readonly on?: number })[];
  /** @default all 0 */
  readonly bounds?: Partial<Bounds>;
  /** The verbs of the store that `faults` may concern. @default all */
  readonly faulty?: readonly string[];
  /** True: requests of one process overtake each other, as to the nodes of a Cluster. @default false: one connection */
  readonly overtaking?: boolean;
  /** True: wakeups arrive at any time. @default false: at once */
  readonly lateWakeups?: boolean;
  /** True: no two loads begin at the same time, so that G4 tells them apart. @default false */
  readonly ticks?: boolean;
  /** True: the ages of values are checked (G6). @default false */
  readonly ages?: boolean;
  /** How often a row is loaded at most (G5). @default it is not checked */
  readonly mostLoads?: number;
  /** True: a message ends each wait of a call, and no timer does. @default false */
  readonly needsNoTime?: boolean;
  readonly defaults?: CachingOptions['defaults'];
  readonly l1?: CachingOptions['l1'];
}

/** The rows that its calls concern, each once. */
export function rowsOf({ actors, before = [] }: SetUp): readonly string[] {
  const calls = [...before, ...actors.flatMap((actor) => actor.calls)];
  return [
    ...new Set(
      calls.flatMap((call) => {
        if (call.do === 'pass') return [];
        if (call.do === 'readMany') return call.keys;
        return 'row' in call ? [call.row] : [call.key];
      }),
    ),
  ];
}
