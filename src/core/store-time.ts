/** The store's clock beside our own, as last told. */
export class StoreTime {
  #told: { readonly at: number; readonly since: number } | undefined;

  /** @param since our clock when the store was asked, which is before it looked at its own */
  tell(at: number, since: number): void {
    this.#told = { at, since };
  }

  /** Our clock when the store's showed `at`, rather early than late; undefined if the store never told. */
  local(at: number): number | undefined {
    return this.#told === undefined ? undefined : this.#told.since + (at - this.#told.at);
  }
}
