/** The same with the ioredis that most of the other libraries run on. */
import * as byHand from './by-hand.js';

export const name = 'ioredis 5: GET + JSON.parse';
export const { packages, open } = byHand;
