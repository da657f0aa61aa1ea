/** The reference of throughput.js: `ioredis.get` and `JSON.parse`, with the ioredis that cachement uses. */
import { fromRoot } from '../support/from-root.js';
import { openWith } from './by-hand.js';

export const name = 'ioredis 6: GET + JSON.parse';
export const rootPackages = ['ioredis'];
export const open = openWith(fromRoot('ioredis').Redis);
