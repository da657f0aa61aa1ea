/** What stands in a `CallList`, or did. The list alone writes these. */
export interface Listed<Item> {
  isListed: boolean;
  before: Item | undefined;
  after: Item | undefined;
}

/**
 * Items from the oldest to the youngest; each is taken out in one step, wherever it stands.
 *
 * A Set would do the same, but items that come and go make it build a new table again and again, and V8 lets each
 * old table point to the next. Once one of them has survived two collections, every item that comes later survives
 * them too, until a full collection: for many short calls that is most of the work of the process.
 */
export class CallList<Item extends Listed<Item>> {
  #oldest: Item | undefined;
  #youngest: Item | undefined;

  get oldest(): Item | undefined {
    return this.#oldest;
  }

  /** @param item one that stands in no list */
  add(item: Item): void {
    item.isListed = true;
    item.before = this.#youngest;
    if (this.#youngest === undefined) this.#oldest = item;
    else this.#youngest.after = item;
    this.#youngest = item;
  }

  /** False: it was not there. */
  delete(item: Item): boolean {
    if (!item.isListed) return false;
    const { before, after } = item;
    if (before === undefined) this.#oldest = after;
    else before.after = after;
    if (after === undefined) this.#youngest = before;
    else after.before = before;
    item.isListed = false;
    // What is gone keeps nothing alive.
    item.before = undefined;
    item.after = undefined;
    return true;
  }

  /** Those of this moment. */
  all(): Item[] {
    const items: Item[] = [];
    for (let item = this.#oldest; item !== undefined; item = item.after) items.push(item);
    return items;
  }
}
