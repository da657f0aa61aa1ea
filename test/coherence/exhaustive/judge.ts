import type { EffectLog } from './effects.js';
import type { ModelClock } from './model-clock.js';
import type { Message, Process, Running } from './process.js';
import { rowsOf, TTL, type SetUp, type Value } from './set-up.js';

/** A write whose end the application has been told. */
interface Acknowledged {
  readonly row: string;
  readonly version: number;
  readonly by: Process;
  /** Messages about it that have not arrived: until then the memory of another process may have what was before. */
  readonly waits: Set<Message>;
}

/** The database, and what calls may return. @see docs/coherence.md */
export class Judge {
  readonly #setUp: SetUp;
  readonly #clock: ModelClock;
  readonly #effects: EffectLog;
  readonly #rows: Map<string, number>;
  readonly #acknowledged: Acknowledged[] = [];
  /** The version that a process has written itself, acknowledged or not. */
  readonly #own = new Map<string, number>();
  /** When the load of the latest value began that a process has returned. */
  readonly #returned = new Map<string, number>();
  /** The versions that `set` stores, by their calls. */
  readonly #sets = new Map<string, number>();
  readonly #loads = new Map<string, number>();
  /** When the loads have returned. */
  readonly #finished = new Map<string, number>();
  #hasFailed = false;

  constructor(setUp: SetUp, clock: ModelClock, effects: EffectLog) {
    this.#setUp = setUp;
    this.#clock = clock;
    this.#effects = effects;
    this.#rows = new Map(rowsOf(setUp).map((row) => [row, 1]));
  }

  get rows(): readonly string[] {
    return [...this.#rows.keys()];
  }

  read(row: string): number {
    this.#effects.read(`row ${row}`);
    return this.#rows.get(row)!;
  }

  write(row: string): number {
    this.#effects.write(`row ${row}`);
    const version = this.#rows.get(row)! + 1;
    this.#rows.set(row, version);
    return version;
  }

  /** @returns the error, if a row was loaded too often (G5) */
  loads(row: string): Error | undefined {
    const loads = (this.#loads.get(row) ?? 0) + 1;
    this.#loads.set(row, loads);
    return loads > (this.#setUp.mostLoads ?? Infinity)
      ? new Error(`G5: ${row} was loaded ${loads} times.`)
      : undefined;
  }

  /** A load has failed: stale values are permitted from now on. */
  failed(): void {
    this.#hasFailed = true;
  }

  finished(load: string): void {
    this.#finished.set(load, this.#clock.now());
  }

  /** The load of a `set` begins now. */
  granted(id: string, row: string): void {
    this.#sets.set(id, this.read(row));
  }

  /**
   * A write has ended. From now on no call may return what was before (G1, G7, G11), nor one of its process, if the store has not
   * confirmed it (G3).
   */
  acknowledge(
    by: Process,
    row: string,
    version: number,
    isConfirmed: boolean,
    messages: readonly Message[],
  ): string {
    const own = `${by.name} ${row}`;
    this.#own.set(own, Math.max(version, this.#own.get(own) ?? 0));
    if (isConfirmed) {
      this.#effects.write('acknowledgements');
      const waits = new Set(messages.filter(({ cause }) => cause === by));
      this.#acknowledged.push({ row, version, by, waits });
    }
    return `version ${version}${isConfirmed ? '' : ', queued'}`;
  }

  arrived(message: Message): void {
    for (const { waits } of this.#acknowledged) waits.delete(message);
  }

  /**
   * Begins a call. @returns checks its value
   * @param atLeast a version that is due in any case
   */
  begin(running: Running, key: string, atLeast = 0): (value: Value) => string {
    const { id, on } = running;
    const own = `${on.name} ${key}`;
    const least = Math.max(this.#due(on, key), atLeast);
    const earlier = this.#returned.get(own) ?? 0;
    const beganAt = this.#clock.now();
    running.text += `>=${least}`;
    return (value) => {
      const version = value.set === undefined ? value.version : this.#sets.get(value.set)!;
      const what = `${id} on ${on.name} got version ${version} of ${key}`;
      if (version < least) throw new Error(`G1, G3: ${what}, and ${least} was due.`);
      if (value.at < earlier)
        throw new Error(`G4: ${what}, whose load began before that of one returned before.`);
      const finishedAt = value.id === undefined ? Infinity : this.#finished.get(value.id)!;
      const age = beganAt - value.at;
      const { grace = 0, softTimeout } = this.#setUp.defaults ?? {};
      const permitsStale = this.#hasFailed || softTimeout !== undefined;
      if (finishedAt < beganAt && age > TTL + (permitsStale ? Number(grace) : 0)) {
        throw new Error(`G6: ${what} that was ${age} ms old.`);
      }
      this.#returned.set(own, Math.max(value.at, earlier, this.#returned.get(own) ?? 0));
      return `version ${version}`;
    };
  }

  /** What decides about later calls and does not follow from the histories of the processes. */
  get state(): string {
    const acknowledged = this.#acknowledged.map(({ row, version, by, waits }) =>
      [row, version, by.name, ...[...waits].map(({ id }) => id).sort()].join(' '),
    );
    return [[...this.#rows].sort().join(), acknowledged.sort().join(), [...this.#sets].sort().join()].join(
      ';',
    );
  }

  #due(on: Process, row: string): number {
    this.#effects.read('acknowledgements');
    let least = this.#own.get(`${on.name} ${row}`) ?? 1;
    for (const acknowledged of this.#acknowledged) {
      if (acknowledged.row !== row) continue;
      const isUnderWay = [...acknowledged.waits].some(({ to }) => to === on);
      if (!isUnderWay || acknowledged.by === on) least = Math.max(least, acknowledged.version);
    }
    return least;
  }
}
