/** An item of a `LinkedSet`. Only the set writes these properties. */
export interface Linked<Item> {
  isLinked: boolean;
  before: Item | undefined;
  after: Item | undefined;
}

/**
 * An intrusive linked list of unique items, in the order in which they were added. Adding and deleting take constant time
 * and allocate nothing.
 *
 * A Set does the same, but items that are added and deleted by every call make it build new tables, and in V8 each old
 * table points to the next one: once a table is in the old generation, everything added later lives until the next full
 * garbage collection. With 32 locks at a time that costs a quarter to a third of the CPU
 * time, on Node.js 20 and 24 (benchmarks/containers.js).
 */
export class LinkedSet<Item extends Linked<Item>> {
  #oldest: Item | undefined;
  #youngest: Item | undefined;

  /** The item that was added first. */
  get oldest(): Item | undefined {
    return this.#oldest;
  }

  /** Adds an item that is in no set. */
  add(item: Item): void {
    item.isLinked = true;
    item.before = this.#youngest;
    if (this.#youngest === undefined) this.#oldest = item;
    else this.#youngest.after = item;
    this.#youngest = item;
  }

  /** Deletes an item. Returns false if it was not in the set. */
  delete(item: Item): boolean {
    if (!item.isLinked) return false;
    const { before, after } = item;
    if (before === undefined) this.#oldest = after;
    else before.after = after;
    if (after === undefined) this.#youngest = before;
    else after.before = before;
    item.isLinked = false;
    // A deleted item must not keep other items alive.
    item.before = undefined;
    item.after = undefined;
    return true;
  }

  /** A copy of the items, oldest first. */
  values(): Item[] {
    const items: Item[] = [];
    for (let item = this.#oldest; item !== undefined; item = item.after) items.push(item);
    return items;
  }
}
