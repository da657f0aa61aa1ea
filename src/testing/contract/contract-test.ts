import type { Adapter } from '../../core/ports/adapter.js';
import { OptionsError } from '../../core/shared/errors.js';
import { custom, flag, parseOptions, type Option } from '../../core/shared/option-schema.js';
import type { FakeClock } from '../fake-clock.js';

/** A test of a contract, for any test framework. */
export interface ContractTest {
  /** A sentence that states the behaviour. Unique among the tests of an adapter. */
  readonly title: string;
  /** Rejects with an AssertionError of `node:assert` if the adapter behaves differently. Takes no arguments. */
  readonly run: () => Promise<void>;
}

/**
 * An adapter for one test, and how its records expire: with a clock that the tests move, or by the time of a server, which
 * then says how long a record still lives.
 */
export type AdapterUnderTest = {
  readonly adapter: Adapter;
  /** Called at the end of the test, after the adapter is closed: ends what `open` has opened. */
  readonly close?: (() => unknown) | undefined;
} & (
  | { readonly clock: FakeClock; readonly remainingMs?: undefined }
  | {
      readonly clock?: undefined;
      /** How long the record at this store key still lives, in ms. 0 or less: it does not exist. */
      readonly remainingMs: (storeKey: string) => Promise<number>;
    }
);

/** Returns an adapter for one test. All of them may be on one store: each test has a namespace of its own. */
export type OpenAdapter = () => AdapterUnderTest | Promise<AdapterUnderTest>;

export interface ContractOptions {
  /**
   * True if one server decides about a lock: then it has fencing tokens, fair locks and permits.
   * @default true
   */
  readonly hasSingleAuthority?: boolean | undefined;
  /**
   * The tests that the adapter need not pass: the title of each, and the reason.
   * @default none
   */
  readonly deviations?: Readonly<Record<string, string>> | undefined;
}

/** The schema of `ContractOptions`. */
export const contractOptions = {
  hasSingleAuthority: flag(true),
  deviations: custom<Readonly<Record<string, string>> | undefined>(
    'an object of titles and reasons',
    (value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? (value as Readonly<Record<string, string>>)
        : undefined,
    undefined,
  ),
} satisfies Record<keyof ContractOptions, Option<unknown>>;

/** The tests without those that the options name. @throws OptionsError for a title that does not exist */
export function testsOf(
  label: string,
  options: ContractOptions,
  list: (options: { readonly hasSingleAuthority: boolean }) => readonly ContractTest[],
): readonly ContractTest[] {
  const { hasSingleAuthority = true, deviations = {} } = parseOptions(contractOptions, options, label);
  const tests = list({ hasSingleAuthority });
  for (const title of Object.keys(deviations)) {
    if (tests.some((test) => test.title === title)) continue;
    throw new OptionsError(
      `deviations of ${label} name the titles of its tests, and there is no '${title}'.`,
    );
  }
  return tests.filter(({ title }) => !Object.hasOwn(deviations, title));
}
