import type { ExecutionContext } from 'ava';
import { Caching, type CachingOptions } from '../../src/core/caching.js';
import type { Limits } from '../../src/core/limits/limits.js';
import type { RateStore } from '../../src/core/ports/rate-store.js';
import type { ChaosAdapter } from '../../src/testing/chaos-adapter.js';
import { rig, type Rig } from '../support/rig.js';

export interface LimitRig extends Pick<Rig, 'clock' | 'of'> {
  readonly caching: Caching;
  readonly limits: Limits;
  /** What happens to the calls of `caching`. */
  readonly chaos: ChaosAdapter;
  /** Another process on the same store, with default options. */
  readonly other: Limits;
  /** The store itself, which does not fail. */
  readonly store: RateStore;
  /** Units taken by all processes together; not a call of `caching`. */
  used(key: string, rules: Parameters<Limits['peek']>[1]): Promise<number>;
}

export function limitRig(
  t: ExecutionContext,
  options: Partial<Omit<CachingOptions, 'adapter' | 'clock'>> = {},
  random?: number,
): LimitRig {
  const { clock, namespace, of, openers, store } = rig(t, 1, options, random);
  const { caching, limits, chaos } = openers[0]!;
  const other = new Caching({ adapter: chaos.inner, namespace, clock });
  t.teardown(() => other.close());
  const used: LimitRig['used'] = async (key, rules) => (await other.limits.peek(key, rules)).rules[0]!.used;
  return { caching, limits, other: other.limits, chaos, clock, of, store: store.rates, used };
}
