/**
 * How other processes learn that something has changed, so that they stop returning it from memory. `bus`: every script
 * of this library that removes or replaces a record publishes its key. `tracking`: the server itself reports every write
 * to a key, whoever made it.
 */
export type ChangeSource = 'bus' | 'tracking';

/** Receives the changes that other processes make. Implemented by the L1. */
export interface ChangeListener {
  /** The records at these store keys were changed or removed, or may have been. */
  changed(storeKeys: readonly string[]): void;
  /** All changes that the store has acknowledged before `time`, by this process' clock, have been reported. */
  confirmed(time: number): void;
  /** Changes may have been missed. Nothing that is in memory can be trusted. */
  interrupted(): void;
}

/** What a `Caching` wants to know about changes. */
export interface ChangeSubscription {
  readonly source: ChangeSource;
  readonly listener: ChangeListener;
}
