import type { EntryStore } from '../core/ports/entry-store.js';
import type { LockGrant, LockStore } from '../core/ports/lock-store.js';
import type { RateStore } from '../core/ports/rate-store.js';
import type { SessionStore } from '../core/ports/session-store.js';
import { describe } from '../core/shared/describe.js';
import { OptionsError } from '../core/shared/errors.js';

/** Every call that a `Caching` sends to its stores, by port. Those of a granted lock belong to `locks`. */
interface Ports {
  readonly entries: EntryStore;
  readonly rates: RateStore;
  readonly sessions: SessionStore;
  readonly locks: Pick<LockStore, 'acquire' | 'abandon'> & Pick<LockGrant, 'extend' | 'release'>;
}

/** The stores of an adapter: `entries`, `rates`, `locks` and `sessions`. */
export type ChaosPort = keyof Ports;

/** A call to a store: `entries.read`, `entries.fill`, `rates.consume`, `locks.acquire`, ... */
export type ChaosVerb = { [Port in ChaosPort]: `${Port}.${keyof Ports[Port] & string}` }[ChaosPort];

/** Which calls: those of one verb, those of one store, or all. */
export type ChaosTarget = ChaosVerb | ChaosPort | '*';

/** The arguments of a call of this verb. */
export type ChaosArguments<Verb extends ChaosVerb> =
  Verb extends `${infer Port extends ChaosPort}.${infer Method}`
    ? Ports[Port][Method & keyof Ports[Port]] extends (...args: infer Args) => unknown
      ? Args
      : never
    : never;

/** All methods of each port. The chaos adapter has no others. */
export const PORT_METHODS = {
  entries: [
    ...(['read', 'time', 'nonces', 'lease', 'extend', 'fill', 'touch', 'release'] as const),
    ...(['remove', 'mark', 'unmark', 'getOrCreateNonces', 'removeNonces', 'replicated'] as const),
  ],
  rates: ['consume', 'refund', 'renew', 'block', 'reset'],
  locks: ['acquire', 'abandon', 'extend', 'release'],
  sessions: [
    ...(['create', 'read', 'touch', 'update', 'save', 'remove', 'keys'] as const),
    ...(['bind', 'isCurrent', 'revoke', 'handles'] as const),
  ],
} satisfies { readonly [Port in ChaosPort]: readonly (keyof Ports[Port])[] };

const TARGETS: ReadonlySet<string> = new Set([
  '*',
  ...Object.entries(PORT_METHODS).flatMap(([port, methods]) => [
    port,
    ...methods.map((method) => `${port}.${method}`),
  ]),
]);

export function matches(target: ChaosTarget, verb: ChaosVerb): boolean {
  return target === '*' || target === verb || verb.startsWith(`${target}.`);
}

/** A misspelled target would match no call, and the test would test nothing. @throws OptionsError */
export function checkTarget(target: unknown, label: string): void {
  if (typeof target === 'string' && TARGETS.has(target)) return;
  throw new OptionsError(
    `${label} takes a call such as 'entries.fill', a store ('entries', 'rates', 'locks' or 'sessions') or '*', and ` +
      `${describe(target)} was given. The calls are: ${[...TARGETS].filter((one) => one.includes('.')).join(', ')}.`,
  );
}
