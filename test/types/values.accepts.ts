import { createSecretKey, randomBytes } from 'node:crypto';
import * as v from 'valibot';
import { z } from 'zod';
import {
  Cached,
  Caching,
  defineCodec,
  type Adapter,
  type SealOptions,
  type TypeCodec,
} from '../../src/index.js';

/** Fails to compile unless the two are one type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
declare function same<A, B>(proof: Same<A, B>): void;
declare const caching: Caching;
declare const adapter: Adapter;

class User {
  constructor(
    readonly id: string,
    readonly born: Date,
  ) {}
  greet(): string {
    return this.id;
  }
}

abstract class Shape {
  abstract area(): number;
}

interface Row {
  readonly id: string;
}

const row = z.object({ id: z.string() });

export class Users {
  @Cached({ revive: User })
  async one(): Promise<User> {
    return new User('1', new Date());
  }
  @Cached({ revive: User })
  async maybe(): Promise<User | null | undefined> {
    return null;
  }
  @Cached({ revive: User })
  async list(): Promise<User[]> {
    return [];
  }
  @Cached({ revive: User })
  async readonlyList(): Promise<readonly (User | null)[] | undefined> {
    return [];
  }
  @Cached({ revive: Shape })
  async abstract(): Promise<Shape | undefined> {
    return undefined;
  }
  @Cached({ revive: ({ id }: Row) => new User(id, new Date()) })
  async byFunction(): Promise<User> {
    return new User('1', new Date());
  }
  @Cached({ revive: (data) => [[new User(String(data), new Date())], 1] })
  async pair(): Promise<[User[], number]> {
    return [[], 0];
  }
  @Cached({ schema: row })
  async zod(): Promise<Row> {
    return { id: '1' };
  }
  @Cached({ schema: v.object({ id: v.string() }) })
  async valibot(): Promise<Row | null> {
    return null;
  }
}

const user = await caching.cache.getOrSet('key', async () => new User('1', new Date()), { revive: User });
same<typeof user, User>(true);
const parsed = await caching.cache.getOrSet('key', async (): Promise<Row> => ({ id: '1' }), { schema: row });
same<typeof parsed, Row>(true);
const found = await caching.cache.get<User>('key', { revive: User });
same<typeof found, User | undefined>(true);

class Money {
  readonly #cents: bigint;
  constructor(cents: bigint) {
    this.#cents = cents;
  }
  get cents(): bigint {
    return this.#cents;
  }
}

const money = defineCodec({
  type: Money,
  name: 'Money',
  encode: (value) => value.cents,
  decode: (cents) => new Money(cents),
});
same<typeof money, TypeCodec<Money, bigint>>(true);
export const own = new Caching({
  adapter,
  codecs: [
    money,
    defineCodec({ type: User, name: 'User' }),
    { type: Shape, name: 'Shape' },
    { type: Date, name: 'x', encode: (at: Date) => at.getTime(), decode: (ms: number) => new Date(ms) },
  ],
});

const seals: readonly SealOptions[] = [
  { keys: ['base64'] },
  { keys: [randomBytes(32), new Uint8Array(32), createSecretKey(randomBytes(32))], mode: 'encrypt' },
  { keys: 'first,second'.split(','), mode: 'sign' },
];
export const sealed = new Caching({ adapter, seal: seals[0] });
