/** Time that passes only from event to event. */
export class VirtualTime {
  now = 1_000;
  #order = 0;
  #heap = [];
  #afterEach;

  /** @param {() => void} afterEach called when everything has run that an event has set going */
  constructor(afterEach) {
    this.#afterEach = afterEach;
  }

  /**
   * Runs `task` at `time`. Tasks of the same time run in the order in which they were set.
   *
   * @param {boolean} [isQuiet] true: the task sets nothing going that needs a turn of the event loop
   * @returns {{ cancel: () => void }}
   */
  at(time, task, isQuiet = false) {
    const event = { time: Math.max(time, this.now), order: (this.#order += 1), task, isQuiet };
    this.#push(event);
    return { cancel: () => void (event.task = undefined) };
  }

  /** Runs all events until `isOver` says so. */
  async run(isOver) {
    await this.#settle();
    while (!isOver()) {
      const event = this.#pop();
      if (event === undefined) throw new Error('Nothing is left to happen, and callers still wait.');
      if (event.task === undefined) continue;
      this.now = event.time;
      event.task();
      if (!event.isQuiet) await this.#settle();
    }
  }

  /** All promise chains that need no timer have run to their end after one turn of the event loop. */
  async #settle() {
    await new Promise((resolve) => setImmediate(resolve));
    this.#afterEach();
  }

  #push(event) {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = event;
  }

  #pop() {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child += 1;
      if (!isBefore(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a, b) {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}
