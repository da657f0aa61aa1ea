/** Converts times of the store's clock to times of this process' clock. */
export class StoreClock {
  #latest: { readonly storeTime: number; readonly localTime: number } | undefined;

  /**
   * @param storeTime as the store returned it
   * @param localTime when the store was asked, which is before it read its clock
   */
  sync(storeTime: number, localTime: number): void {
    this.#latest = { storeTime, localTime };
  }

  /** This process' time when the store's clock showed `storeTime`, rather too early than too late; undefined if unknown. */
  toLocalTime(storeTime: number): number | undefined {
    return this.#latest === undefined
      ? undefined
      : this.#latest.localTime + (storeTime - this.#latest.storeTime);
  }
}
