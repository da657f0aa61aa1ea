/** Converts times of the store's clock to times of this process' clock, from the latest reply with a time. */
export class StoreClock {
  #latest: { readonly storeTime: number; readonly localTime: number } | undefined;

  /**
   * @param storeTime the store's clock in its reply, in ms
   * @param localTime this process' clock when the request was sent, which is before the store read its own
   */
  sync(storeTime: number, localTime: number): void {
    this.#latest = { storeTime, localTime };
  }

  /** The local time of a store time, at most too early, never too late. Undefined before the first `sync`. */
  toLocalTime(storeTime: number): number | undefined {
    return this.#latest === undefined
      ? undefined
      : this.#latest.localTime + (storeTime - this.#latest.storeTime);
  }
}
