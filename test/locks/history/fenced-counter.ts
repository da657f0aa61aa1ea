import { Redis } from 'ioredis';

/**
 * What the resource does with fencing tokens: nothing; refuses a write whose token is smaller than one it has seen
 * in a write; or refuses reads and writes whose token is smaller than any it has seen.
 *
 * A fence at the writes alone is not enough for read, modify, write: the old holder's write may arrive between the
 * new one's read and its write, when the new token has not been seen yet.
 */
export type Fence = 'none' | 'writes' | 'reads and writes';

/** One line of the resource's own log, in the order in which it did them. */
export interface ResourceLine {
  readonly did: 'read' | 'refused read' | 'wrote' | 'refused write';
  /** `<worker>.<number>`: each attempt at an increment has its own. */
  readonly attempt: string;
  readonly token: bigint;
  /** What was read or written. */
  readonly value: number;
  /** For reads: when the body began, on the monotonic clock that all processes of a host share. */
  readonly began: bigint;
}

/** KEYS counter, fence, log. ARGV fence ('1': checked), attempt, token, began. Returns the value, nil: refused. */
const READ = `
local value = redis.call('GET', KEYS[1]) or '0'
if ARGV[1] == '1' then
  if tonumber(ARGV[3]) < tonumber(redis.call('GET', KEYS[2]) or '0') then
    redis.call('RPUSH', KEYS[3], 'refused read|' .. ARGV[2] .. '|' .. ARGV[3] .. '|' .. value .. '|' .. ARGV[4])
    return false
  end
  redis.call('SET', KEYS[2], ARGV[3])
end
redis.call('RPUSH', KEYS[3], 'read|' .. ARGV[2] .. '|' .. ARGV[3] .. '|' .. value .. '|' .. ARGV[4])
return value`;

/** KEYS counter, fence, log. ARGV fence, attempt, token, value. Returns 1, or 0: refused. */
const WRITE = `
if ARGV[1] == '1' then
  if tonumber(ARGV[3]) < tonumber(redis.call('GET', KEYS[2]) or '0') then
    redis.call('RPUSH', KEYS[3], 'refused write|' .. ARGV[2] .. '|' .. ARGV[3] .. '|' .. ARGV[4] .. '|0')
    return 0
  end
  redis.call('SET', KEYS[2], ARGV[3])
end
redis.call('SET', KEYS[1], ARGV[4])
redis.call('RPUSH', KEYS[3], 'wrote|' .. ARGV[2] .. '|' .. ARGV[3] .. '|' .. ARGV[4] .. '|0')
return 1`;

const KEYS = ['counter', 'fence', 'log'] as const;

/**
 * A counter on a Redis of its own, which no lock ever touches. It is read in one step and written in another, so
 * that two who do both at the same time lose an increment.
 */
export class FencedCounter {
  readonly #redis: Redis;
  readonly #fence: Fence;

  constructor(url: string, fence: Fence) {
    this.#redis = new Redis(url, { maxRetriesPerRequest: 0 });
    this.#redis.on('error', () => {});
    this.#fence = fence;
  }

  /** The value; undefined: the token is too old. */
  async read(attempt: string, token: bigint, began: bigint): Promise<number | undefined> {
    const checked = this.#fence === 'reads and writes' ? '1' : '0';
    const value = await this.#redis.eval(READ, 3, ...KEYS, checked, attempt, String(token), String(began));
    return value === null ? undefined : Number(value);
  }

  /** False: the token is too old, and nothing was written. */
  async write(attempt: string, token: bigint, value: number): Promise<boolean> {
    const checked = this.#fence === 'none' ? '0' : '1';
    return (await this.#redis.eval(WRITE, 3, ...KEYS, checked, attempt, String(token), String(value))) === 1;
  }

  async value(): Promise<number> {
    return Number((await this.#redis.get(KEYS[0])) ?? 0);
  }

  async log(): Promise<ResourceLine[]> {
    const lines = await this.#redis.lrange(KEYS[2], 0, '-1');
    return lines.map((line) => {
      const [did, attempt, token, value, began] = line.split('|');
      return {
        did: did as ResourceLine['did'],
        attempt: attempt!,
        token: BigInt(token!),
        value: Number(value),
        began: BigInt(began!),
      };
    });
  }

  close(): void {
    this.#redis.disconnect();
  }
}
