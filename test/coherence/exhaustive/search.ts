/** What a step has looked at and changed. Two steps commute if neither changes what the other has looked at or changed. */
export interface Effects {
  readonly reads: ReadonlySet<string>;
  readonly writes: ReadonlySet<string>;
}

/** One run, from the start on. The search decides which step comes next. Every run must be the same for the same steps. */
export interface World {
  /** The steps that can come next. None: the run has ended. */
  steps(): readonly string[];
  /** @throws Error that names the promise that the step has broken */
  take(step: string): Promise<Effects>;
  /** All that decides what can happen from now on: worlds with the same text are the same. */
  state(): string;
  /** Checks what must hold at the end. Returns what has come of the run. */
  end(): Promise<string>;
}

export interface SearchOptions {
  /** True: goes through every order, without leaving any out. @default false */
  readonly isFull?: boolean;
  /** True: the orders are counted. The worlds must name every step that is possible, then. @default false */
  readonly counts?: boolean;
  /** Gives up after so many runs. @default none */
  readonly maxRuns?: number | undefined;
}

export interface Found {
  /** The orders of all steps, also of those that were not run because they lead to a state that is known. Only if counted. */
  readonly orders: bigint | undefined;
  /** Orders that were run: to the end, or to a state that is known. */
  readonly runs: number;
  readonly states: number;
  /** Steps that were not taken because their order with others does not matter. */
  readonly asleep: number;
  /** Runs that ended at a state that is known. */
  readonly known: number;
  readonly longest: number;
  /** What has come of the runs, each once. */
  readonly outcomes: ReadonlySet<string>;
  /** The first order that broke a promise; undefined: none did. */
  readonly violation: { readonly steps: readonly string[]; readonly error: Error } | undefined;
  /** False: the search has given up. */
  readonly isComplete: boolean;
}

/** A state on the path of the current run. */
interface Node {
  readonly state: State;
  /** Steps that need not be taken here: what they lead to is reached by taking them earlier. */
  readonly sleep: Map<string, Effects>;
  /** Steps to be taken here, the current one first. */
  readonly todo: string[];
  effects: Effects | undefined;
}

interface State {
  readonly steps: readonly string[];
  /** Steps that were not taken from here, with the step before that they commute with. */
  readonly asleep: Map<string, { readonly from: State; readonly by: string }>;
  readonly next: Map<string, State>;
  orders: bigint | undefined;
}

/**
 * Goes through all orders of the steps of a world, depth first. The world cannot go back, so each order is run from the start.
 *
 * Two kinds of orders are left out. (1) State hashing: a run ends at a state that another one has reached. (2) Sleep sets
 * (Godefroid, Partial-Order Methods for the Verification of Concurrent Systems, 1996): of two steps that commute only one order
 * is run, and both lead to the same state. The two together leave no state and no step out: a state that was reached with steps
 * asleep is continued if it is reached again with fewer.
 */
export async function search(open: () => Promise<World>, options: SearchOptions = {}): Promise<Found> {
  const { isFull = false, counts = isFull, maxRuns = Infinity } = options;
  const states = new Map<string, State>();
  const outcomes = new Set<string>();
  const path: Node[] = [];
  let runs = 0;
  let known = 0;
  let longest = 0;
  let fullOrders = 0n;
  let root: State | undefined;
  const found = (violation: Found['violation'], isComplete: boolean): Found => ({
    orders: !counts || !isComplete ? undefined : isFull ? fullOrders : countOrders(root!),
    runs,
    states: states.size,
    asleep: [...states.values()].reduce((sum, { asleep }) => sum + asleep.size, 0),
    known,
    longest,
    outcomes,
    violation,
    isComplete,
  });

  for (;;) {
    if (runs >= maxRuns) return found(undefined, false);
    runs++;
    try {
      const world = await open();
      for (const node of path) node.effects = await world.take(node.todo[0]!);
      for (;;) {
        longest = Math.max(longest, path.length);
        const last = path.at(-1);
        const sleep = isFull ? new Map<string, Effects>() : stillAsleep(last);
        const text = world.state();
        let state = states.get(text);
        let todo: string[];
        if (state === undefined || isFull) {
          const steps = world.steps();
          state = { steps, asleep: new Map(), next: new Map(), orders: undefined };
          states.set(text, state);
          root ??= state;
          last?.state.next.set(last.todo[0]!, state);
          if (steps.length === 0) {
            fullOrders++;
            outcomes.add(await world.end());
            break;
          }
          todo = steps.filter((step) => !sleep.has(step));
          for (const step of steps) {
            if (sleep.has(step)) state.asleep.set(step, { from: last!.state, by: last!.todo[0]! });
          }
        } else {
          last?.state.next.set(last.todo[0]!, state);
          const { asleep } = state;
          todo = [...asleep.keys()].filter((step) => !sleep.has(step));
          for (const step of todo) asleep.delete(step);
        }
        if (todo.length === 0) {
          known++;
          break;
        }
        const node: Node = { state, sleep, todo, effects: undefined };
        path.push(node);
        node.effects = await world.take(todo[0]!);
      }
    } catch (error) {
      const steps = path.map(({ todo }) => todo[0]!);
      return found({ steps, error: error as Error }, false);
    }
    for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
      node.sleep.set(node.todo.shift()!, node.effects!);
      if (node.todo.length > 0) break;
      path.pop();
    }
    if (path.length === 0) return found(undefined, true);
  }
}

/** The steps that sleep after the current step of a node: those that commute with it. */
function stillAsleep(node: Node | undefined): Map<string, Effects> {
  const asleep = new Map<string, Effects>();
  if (node === undefined) return asleep;
  for (const [step, effects] of node.sleep) if (commute(effects, node.effects!)) asleep.set(step, effects);
  return asleep;
}

function commute(one: Effects, other: Effects): boolean {
  return !overlaps(one.writes, other) && !overlaps(other.writes, one);
}

function overlaps(writes: ReadonlySet<string>, { reads, writes: others }: Effects): boolean {
  for (const what of writes) if (reads.has(what) || others.has(what)) return true;
  return false;
}

/** Where a step leads to that may have slept: the step before and it, in the other order. */
function follow(state: State, step: string): State {
  const next = state.next.get(step);
  if (next !== undefined) return next;
  const asleep = state.asleep.get(step);
  if (asleep === undefined) throw new Error(`Expected ${step} to be taken or to sleep.`);
  const other = follow(follow(asleep.from, step), asleep.by);
  state.next.set(step, other);
  return other;
}

function countOrders(state: State): bigint {
  if (state.orders !== undefined) return state.orders;
  let orders = state.steps.length === 0 ? 1n : 0n;
  for (const step of state.steps) orders += countOrders(follow(state, step));
  return (state.orders = orders);
}
