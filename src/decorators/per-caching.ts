import type { Caching } from '../core/caching.js';

/** What a decorated method computes once for each `Caching` that it meets; nearly always there is one. */
export function perCaching<Value extends object>(
  compute: (caching: Caching) => Value,
): (caching: Caching) => Value {
  const values = new WeakMap<Caching, Value>();
  let latest: Caching | undefined;
  let value: Value;
  return (caching) => {
    if (caching === latest) return value;
    const known = values.get(caching) ?? compute(caching);
    values.set(caching, known);
    latest = caching;
    return (value = known);
  };
}
