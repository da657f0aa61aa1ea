import { AsyncLocalStorage } from 'node:async_hooks';

/** A call under way, as the code knows it that it runs. */
export interface Call {
  readonly start: number;
  acknowledged: boolean;
  /** The logical keys whose values came from the memory of the process, without asking the store. */
  readonly fromMemory: Set<string>;
}

const calls = new AsyncLocalStorage<Call>();

/** In ms, by the clock that all processes of a host share. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export async function asCall<T>(work: (call: Call) => Promise<T>): Promise<T> {
  const call: Call = { start: now(), acknowledged: false, fromMemory: new Set() };
  return calls.run(call, () => work(call));
}

export function currentCall(): Call {
  return calls.getStore()!;
}

/** Undefined outside of a call: the library works on its own. */
export function callUnderWay(): Call | undefined {
  return calls.getStore();
}
