/** @import { StartRedisOptions } from './redis-server.js' */

/**
 * Arguments that every server gets first.
 *
 * @param {StartRedisOptions} options
 */
export function commonArgs({ args = [], password }) {
  const authentication = password === undefined ? [] : ['--requirepass', password];
  return ['--save', '', '--appendonly', 'no', ...authentication, ...args];
}

/**
 * @param {string} host
 * @param {number} port
 * @param {string | undefined} password
 */
export function redisUrl(host, port, password) {
  const authentication = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
  return `redis://${authentication}${host}:${port}`;
}
