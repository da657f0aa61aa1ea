import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import {
  clearKey,
  entryKey,
  kindOf,
  lockKey,
  rateSubject,
  tagChangesKey,
  tagKey,
} from '../../core/keys/store-keys.js';
import type { Backend } from '../../core/ports/adapter.js';
import { TAG_CHANGES_IDENTITY } from '../../core/ports/tag-changes.js';
import { systemClock } from '../../core/shared/system-clock.js';
import { newToken } from '../../core/shared/token.js';
import type { ContractTest, OpenAdapter } from './contract-test.js';

/** How long a test waits for what must happen soon, in ms: by the clock of the test, or in real time. */
const PATIENCE = { virtual: 5_000, real: 20_000 };
/** How late a record may be asked for its life, in ms: the machine may be busy. */
const TOLERANCE = 5_000;

/** An adapter that is open for one test, in a namespace that no other test uses. */
export interface OpenedAdapter {
  readonly backend: Backend;
  // The names of records in the store.
  readonly entry: (key: string) => string;
  readonly tag: (name: string) => string;
  readonly clear: string;
  readonly tagChanges: string;
  readonly subject: (key: string) => string;
  readonly lock: (key: string) => string;
  /** The names for which `wake` was called, in order. */
  woken(): readonly string[];
  /** Resolves when the wakeups for these names are received, as they are while calls wait for them. */
  listening(...names: readonly string[]): Promise<void>;
  /** Resolves when `wake` has been called for each of these names. */
  told(...names: readonly string[]): Promise<void>;
  /** Resolves when `wake` has been called `times` times for this subject, and not once more. */
  toldTimes(subject: string, times: number): Promise<void>;
  /** Resolves when the condition holds. Time passes meanwhile. */
  until(what: string, condition: () => boolean | Promise<boolean>): Promise<void>;
  /** Checks that the record with this name expires `ms` from now. The record may be gone afterwards. */
  ends(name: string, ms: number): Promise<void>;
  /** Resolves when the entry with this name, which expires soon, is gone. */
  gone(name: string): Promise<void>;
  close(): Promise<void>;
}

let opened = 0;

/** A test that opens an adapter, runs, and closes it. */
export function contractTest(
  open: OpenAdapter,
  title: string,
  test: (opened: OpenedAdapter) => Promise<void>,
): ContractTest {
  return {
    title,
    run: async () => {
      const adapter = await openAdapter(open);
      try {
        await test(adapter);
      } finally {
        await adapter.close();
      }
    },
  };
}

async function openAdapter(open: OpenAdapter): Promise<OpenedAdapter> {
  const { adapter, clock, remainingMs, close } = await open();
  const namespace = `contract-${++opened}-${crypto.randomUUID().slice(0, 8)}`;
  const names: string[] = [];
  const backend = adapter.open({
    namespace,
    clock: clock ?? systemClock,
    wake: (name) => void names.push(name),
    degraded() {},
    recovered() {},
  });
  await backend.ready();
  const { entries, rates } = backend;
  const last = rateSubject(namespace, 'last message');

  const until: OpenedAdapter['until'] = async (what, condition) => {
    const step = 25;
    const limit = clock === undefined ? PATIENCE.real : PATIENCE.virtual;
    for (let waited = 0; waited < limit; waited += step) {
      if (await condition()) return;
      if (clock === undefined) await new Promise((resolve) => setTimeout(resolve, step));
      else await clock.advance(step);
    }
    assert.fail(`Expected within ${limit / 1_000} s: ${what}.`);
  };

  /** Asks by the verb that reads this kind of record. */
  const exists = async (name: string): Promise<boolean> => {
    switch (kindOf(namespace, name)) {
      case 'cache':
        return (await entries.read(name, [])).record !== null;
      case 'tag-changes': {
        // Created if it is gone, and then it has this identity.
        const identity = newToken();
        const { tagChanges } = await entries.getOrCreateNonces([], name, identity, 1);
        return Buffer.from(tagChanges.subarray(0, TAG_CHANGES_IDENTITY)).toString('latin1') !== identity;
      }
      default:
        return (await entries.nonces([name]))[0] !== null;
    }
  };

  return {
    backend,
    entry: (key) => entryKey(namespace, key),
    tag: (name) => tagKey(namespace, name),
    clear: clearKey(namespace),
    tagChanges: tagChangesKey(namespace),
    subject: (key) => rateSubject(namespace, key),
    lock: (key) => lockKey(namespace, key),
    woken: () => names.filter((name) => name !== last),
    listening: async (...expected) => {
      const { listen } = backend;
      if (listen === undefined) return;
      const before = names.length;
      for (const name of expected) listen.call(backend, name);
      for (const name of expected) {
        await until(`wake is called for ${name} once it is listened for`, () => names.includes(name, before));
      }
      names.length = before;
    },
    told: async (...expected) => {
      for (const name of expected) await until(`wake is called for ${name}`, () => names.includes(name));
    },
    toldTimes: async (subject, times) => {
      const told = (): number => names.filter((name) => name === subject).length;
      await until(`wake is called ${times} times for ${subject}`, () => told() >= times);
      // Messages arrive in their order, so no earlier one arrives after the one for `last`.
      const before = names.length;
      await rates.reset(last, []);
      await until(`wake is called for ${last}`, () => names.includes(last, before));
      assert.equal(told(), times, `wake was called ${told()} times for ${subject}`);
    },
    until,
    ends: async (name, ms) => {
      if (clock === undefined) {
        const left = await remainingMs(name);
        const isRight = left > 0 && left > ms - TOLERANCE && left <= ms;
        assert.ok(isRight, `${name} expires in ${left} ms, and in ${ms} ms was expected`);
        return;
      }
      await clock.advance(ms - 1);
      assert.ok(await exists(name), `${name} is gone before ${ms} ms`);
      await clock.advance(2);
      assert.ok(!(await exists(name)), `${name} still exists after ${ms} ms`);
    },
    gone: (name) => until(`${name} has expired`, async () => !(await exists(name))),
    close: async () => {
      await backend.close();
      await close?.();
    },
  };
}

/** Checks some properties of an object. */
export function assertLike<Value extends object>(actual: Value, expected: Partial<Value>): void {
  const names = Object.keys(expected) as (keyof Value)[];
  assert.deepEqual(Object.fromEntries(names.map((name) => [name, actual[name]])), expected);
}

/** Checks that every call rejects with a StoreUnavailableError that says that nothing was sent. */
export async function assertRefused(calls: Readonly<Record<string, () => Promise<unknown>>>): Promise<void> {
  for (const [verb, call] of Object.entries(calls)) {
    const isRefused = (error: Error): boolean =>
      error.name === 'StoreUnavailableError' && 'outcome' in error && error.outcome === 'refused';
    await assert.rejects(call, isRefused, `Expected ${verb} to reject with a StoreUnavailableError: refused`);
  }
}
