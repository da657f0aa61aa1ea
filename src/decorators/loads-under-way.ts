import type { Site } from './around.js';

/** For each instance: the keys that its methods load now, and which of them loads. */
const loading = new WeakMap<object, Map<string, readonly Site[]>>();
let underWay = 0;

/**
 * The loads that one decorated method has under way. An override and the method it overrides may have one key: the
 * inner of the two, called as `super.find(id)` while the outer loads, must neither wait for the outer nor store.
 */
export class LoadsUnderWay {
  readonly #site: Site;

  constructor(site: Site) {
    this.#site = site;
  }

  /** A method of this name, but of another class, loads this very key for this very instance. */
  isWithinAnother(self: unknown, key: string): boolean {
    if (underWay === 0) return false;
    const sites = loading.get(self as object)?.get(key);
    if (sites === undefined || sites.includes(this.#site)) return false;
    return sites.some(({ name }) => name === this.#site.name);
  }

  async during<T>(self: unknown, key: string, load: () => Promise<T>): Promise<T> {
    if ((typeof self !== 'object' && typeof self !== 'function') || self === null) return load();
    let keys = loading.get(self);
    if (keys === undefined) loading.set(self, (keys = new Map<string, readonly Site[]>()));
    keys.set(key, [...(keys.get(key) ?? []), this.#site]);
    underWay++;
    try {
      return await load();
    } finally {
      underWay--;
      const sites = [...keys.get(key)!];
      sites.splice(sites.indexOf(this.#site), 1);
      if (sites.length === 0) keys.delete(key);
      else keys.set(key, sites);
    }
  }
}
