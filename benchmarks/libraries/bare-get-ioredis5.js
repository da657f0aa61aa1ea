/** The same with the ioredis that most of the other libraries run on. */
export { packages, open } from './by-hand.js';
export const name = 'ioredis 5: GET + JSON.parse';
