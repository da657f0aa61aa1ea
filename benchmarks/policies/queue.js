/** A doubly linked queue of nodes that have the properties `before` and `after`. */
export class Queue {
  size = 0;
  oldest;
  newest;

  add(node) {
    node.before = this.newest;
    node.after = undefined;
    if (this.newest === undefined) this.oldest = node;
    else this.newest.after = node;
    this.newest = node;
    this.size += 1;
  }

  remove(node) {
    if (node.before === undefined) this.oldest = node.after;
    else node.before.after = node.after;
    if (node.after === undefined) this.newest = node.before;
    else node.after.before = node.before;
    this.size -= 1;
  }

  touch(node) {
    if (node === this.newest) return;
    this.remove(node);
    this.add(node);
  }

  shift() {
    const node = this.oldest;
    this.remove(node);
    return node;
  }
}
