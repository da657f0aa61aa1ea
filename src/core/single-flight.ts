import type { Tagged } from './entry.js';

/** What a flight brought home. */
export interface Landing {
  readonly value: unknown;
  /** The call ordinal from which on the value is known to have been valid (see `Engine.read`). */
  readonly asOf: number;
  /** This process' clock when the load began. */
  readonly since: number;
  /** The tags it depends on, with their nonces; undefined when they could not be read. */
  readonly tagged: readonly Tagged[] | undefined;
}

/** One load of one key in this process, shared by all who may share it. */
export class Flight {
  readonly key: string;
  /** The tags it is known to depend on; undefined: only its result will tell. */
  readonly tags: readonly string[] | undefined;
  /** The value, as soon as it is there, or the loader's error, which all who wait share. */
  readonly landed: Promise<Landing>;
  /**
   * Settles after the store has taken or refused the value: the ordinal from which on it is now known to have
   * been valid, or -1. Never rejects.
   */
  readonly proven: Promise<number>;
  /** An invalidation in this process overtook it: nobody new may join, and nothing is stored. */
  detached = false;
  /** When its loader was called, by this process' clock; undefined while it waits for its turn. */
  loadStart: number | undefined;
  /** Milliseconds that the store has taken from it so far: the budget is for all of them together. */
  lost = 0;
  land!: (landing: Landing) => void;
  crash!: (error: unknown) => void;
  prove!: (asOf: number) => void;

  constructor(key: string, tags: readonly string[] | undefined) {
    this.key = key;
    this.tags = tags;
    this.landed = new Promise((resolve, reject) => {
      this.land = resolve;
      this.crash = reject;
    });
    this.proven = new Promise((resolve) => (this.prove = resolve));
  }
}

/** The flights under way, one for each key. */
export class SingleFlight {
  readonly #flights = new Map<string, Flight>();

  get(key: string): Flight | undefined {
    return this.#flights.get(key);
  }

  depart(flight: Flight): void {
    this.#flights.set(flight.key, flight);
  }

  /** Removes this flight, and not one that has taken its place. */
  arrive(flight: Flight): void {
    if (this.#flights.get(flight.key) === flight) this.#flights.delete(flight.key);
  }

  /** Cuts loose what these invalidations concern: who calls from now on starts anew. */
  detach(keys: readonly string[], tags: readonly string[], all: boolean): void {
    if (this.#flights.size === 0) return;
    if (all) {
      for (const flight of this.#flights.values()) flight.detached = true;
      this.#flights.clear();
      return;
    }
    for (const key of keys) this.#cut(this.#flights.get(key));
    if (tags.length === 0) return;
    const hit = new Set(tags);
    for (const flight of this.#flights.values()) {
      if (flight.tags === undefined || flight.tags.some((tag) => hit.has(tag))) this.#cut(flight);
    }
  }

  all(): readonly Flight[] {
    return [...this.#flights.values()];
  }

  #cut(flight: Flight | undefined): void {
    if (flight === undefined) return;
    flight.detached = true;
    this.#flights.delete(flight.key);
  }
}
