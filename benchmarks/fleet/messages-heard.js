import { fromRoot } from '../support/from-root.js';

const { Redis } = fromRoot('ioredis');

/** @returns a function that returns how many messages the clients of this process have received since now */
export function countMessages() {
  let messages = 0;
  // Every client of the process passes here.
  const { emit } = Redis.prototype;
  Redis.prototype.emit = function (event, ...args) {
    if (event === 'message') messages += 1;
    return emit.call(this, event, ...args);
  };
  return () => messages;
}
