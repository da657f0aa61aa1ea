import {
  Cached,
  Caching,
  createDecorators,
  Invalidates,
  subscribe,
  type AsyncMethodDecorator,
  type VerificationReport,
  type VerifiedMethod,
} from '../../src/index.js';

/** Fails to compile unless the two are one type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
declare function same<A, B>(proof: Same<A, B>): void;
declare const caching: Caching;

interface User {
  readonly id: string;
  readonly name: string;
  readonly age?: number;
  readonly born: Date;
  readonly org: { readonly no: number } | null;
  readonly tags: readonly string[];
}

export class Templates {
  @Cached({ key: 'user:{0}' })
  async position(id: string): Promise<string> {
    return id;
  }
  @Cached({ key: 'user:{0.id}:{0.org.no}:{0.age}:{0.born}:{0.tags.0}' })
  async path(user: User): Promise<string> {
    return user.id;
  }
  @Cached({ key: '{1}/{0}' })
  async two(_a: bigint, b: boolean): Promise<boolean> {
    return b;
  }
  @Cached({ key: 'x:{1}' })
  async skip(_a: object, b: number): Promise<number> {
    return b;
  }
  @Cached({ key: 'd:{0}:{1}' })
  async defaults(a = 1, b: string | undefined = 'x'): Promise<string> {
    return a + b;
  }
  @Cached({ key: 'o:{0}' })
  async optional(a?: string | null): Promise<string | null | undefined> {
    return a;
  }
  @Cached({ key: 'r:{0}:{3}' })
  async rest(...ids: number[]): Promise<number> {
    return ids.length;
  }
  @Cached({ key: 'r:{0}:{1}:{7}' })
  async restAfterText(_lang: string, ...ids: number[]): Promise<number> {
    return ids.length;
  }
  @Cached({ key: 'r:{0.id}:{1}' })
  async restAfterObject(_user: User, ...ids: string[]): Promise<number> {
    return ids.length;
  }
  @Cached({ key: 'r:{0}:{1}:{2.0}:{3.2}' })
  async tuples(
    ..._args: [no: number, text?: string, ...rest: readonly [boolean, ...number[]][]]
  ): Promise<void> {}
  @Cached({ key: 'a:{0}:{0.deep.path}' })
  async anything(a: any): Promise<unknown> {
    return a;
  }
  @Cached({ key: 'literal' })
  async none(): Promise<void> {}
  @Cached({ key: 'kind:{0}' })
  async literals(kind: 'a' | 'b' | 'c'): Promise<string> {
    return kind;
  }
  @Cached({ key: 'flag:{0}' })
  async enumerated(flag: 1 | 2 | null): Promise<number | null> {
    return flag;
  }
  @Cached({ key: computed() })
  async computed(id: string): Promise<string> {
    return id;
  }
}

declare function computed(): string;

export class Callbacks {
  readonly prefix = 'p';

  @Cached({ key: (id) => ['user', id.toUpperCase()], tags: (user, id) => [`user:${user.name}`, id] })
  async byId(id: string): Promise<User> {
    return find(id);
  }
  @Cached({
    key: function (id) {
      return this.prefix + id.toUpperCase();
    },
    tags(user) {
      return [this.prefix, user.name];
    },
    when(id) {
      return this.prefix === id;
    },
    unless(user, id) {
      return this.prefix === user.name + id;
    },
    cache: (self) => (self.prefix === 'p' ? caching : caching),
  })
  async withThis(id: string): Promise<User> {
    return find(this.prefix + id);
  }
  @Cached({ key: (...ids) => ids.map((id) => id.toFixed()) })
  async rest(...ids: number[]): Promise<number> {
    return ids.length;
  }
  @Cached({ key: ({ id }, [first]) => [id, first?.toFixed()] })
  async destructured({ id }: User, [first]: readonly number[]): Promise<string> {
    return id + String(first);
  }
  @Cached({ key: (id, page) => [id, page === undefined ? 0 : page.toFixed()] })
  async optional(id: string, page?: number): Promise<string> {
    return id + String(page);
  }
  @Cached({ key: (value) => [String(value)], unless: (value) => value === undefined })
  async generic<T>(value: T): Promise<T> {
    return value;
  }
  @Cached({ key: (id) => [id], tags: (result) => [result.id.toUpperCase(), result.count.toFixed()] })
  async inferred(id: string) {
    return { id, count: 1 };
  }
  @Cached({ key: (a) => [typeof a], tags: (result) => [String(result)] })
  async notAsync(a: string): Promise<string> {
    return Promise.resolve(a);
  }
  @Cached({ tags: (user) => (user === undefined ? [] : [user.name]), unless: (user) => user?.name === '' })
  async maybe(id: string): Promise<User | undefined> {
    return find(id);
  }
  @Cached({ key: (id: string) => id, tags: (user: User, id: string) => [user.id, id] })
  async annotated(id: string): Promise<User> {
    return find(id);
  }
  @Cached({ key: (id: string | number) => String(id), unless: (user: { name: string }) => user.name === '' })
  async widerAnnotations(id: string): Promise<User> {
    return find(id);
  }
  @Cached({
    key: (id) => {
      same<typeof id, string>(true);
      return id;
    },
    tags: (user, id) => {
      same<typeof user, User>(true);
      same<typeof id, string>(true);
      return [];
    },
    unless: (user, id, page) => {
      same<[typeof user, typeof id, typeof page], [User, string, number | undefined]>(true);
      return false;
    },
  })
  async exact(id: string, _page?: number): Promise<User> {
    return find(id);
  }
}

/** A template and callbacks together: the template is checked, and the callbacks have their types all the same. */
export class Mixed {
  @Cached({ key: 'user:{0}', tags: (user) => [user.name] })
  async tagsOfResult(id: string): Promise<User> {
    return find(id);
  }
  @Cached({ key: 'user:{0}', tags: (user, id) => [user.name, id.toUpperCase()] })
  async tagsOfBoth(id: string): Promise<User> {
    return find(id);
  }
  @Cached({ key: 'user:{0}', tags: ['users', 'org:{1}'], unless: (user) => user.name === '' })
  async tagTemplates(id: string, _org: number): Promise<User> {
    return find(id);
  }
  @Cached({ key: 'user:{0}', tags: 'org:{1}', when: (id, org) => id.length > org.valueOf() })
  async tagTemplate(id: string, _org: number): Promise<User> {
    return find(id);
  }
  @Cached({
    key: 'user:{0}',
    ttl: '15m',
    tags: (user, id) => [user.id, id],
    when: (id) => id !== '',
    unless: (user, id) => user.id === id,
    name: 'Mixed.everything',
    onKeyError: 'throw',
  })
  async everything(id: string): Promise<User> {
    return find(id);
  }
}

export class Forms<Row extends { readonly id: string }> {
  @Cached({ key: 'row:{0}', tags: (row) => (row === undefined ? [] : [row.id]) })
  async ofGenericClass(_id: string): Promise<Row | undefined> {
    return undefined;
  }
  @Cached({ key: (row) => ['row', row.id] })
  async byRow(row: Row): Promise<Row> {
    return row;
  }
  @Cached({ key: 'id:{0}' })
  async ofGenericMethod<Id extends string>(id: Id): Promise<Id> {
    return id;
  }
  @Cached({ key: (id) => [this === undefined ? id : id.length] })
  static async ofClass(id: string): Promise<string> {
    return this.name + id;
  }
  @Cached({
    key(id) {
      return this.name + id;
    },
  })
  static async withThis(id: string): Promise<string> {
    return id;
  }
  @Cached()
  async bare(a: string, b?: number): Promise<string | undefined> {
    return b === undefined ? undefined : a;
  }
  @Cached({})
  async empty(): Promise<void> {}
  @Cached()
  async [Symbol.iterator](): Promise<void> {}
  async overloaded(a: string): Promise<string>;
  async overloaded(a: number): Promise<number>;
  @Cached({ key: (a) => [typeof a, a] })
  async overloaded(a: string | number): Promise<string | number> {
    return a;
  }
  @Cached()
  protected async forSubclasses(id: string): Promise<string> {
    return id;
  }
  @Cached({ key: 'private:{0}' })
  private async typePrivate(id: string): Promise<string> {
    return id;
  }
  use(): unknown {
    return this.typePrivate('');
  }
}

export abstract class Base {
  abstract readonly table: string;
  @Cached({
    key(id) {
      return [this.table, id];
    },
  })
  async find(id: string): Promise<string> {
    return this.table + id;
  }
}

export class Override extends Base {
  readonly table = 'override';
  @Cached({ key: 'override:{0}' })
  override async find(id: string): Promise<string> {
    return super.find(id);
  }
}

export class Durations {
  @Cached({
    ttl: '15m',
    negativeTtl: '500ms',
    idleTtl: '5m',
    lease: '1.5s',
    lockTimeout: '2h',
    loadTimeout: '90 s',
    loadQueueTimeout: '200ms',
    maxConcurrentLoads: 10,
    storeTimeout: '30d',
  })
  async texts(): Promise<void> {}
  @Cached({ ttl: 250, negativeTtl: 0 })
  async numbers(): Promise<void> {}
  @Cached({ ttl: undefined })
  async nothing(): Promise<void> {}
  readonly short = '5s' as const;
  @Cached({
    key: 'user:{0}',
    ttl(user, id) {
      return user === null || user.id === id.trim() ? this.short : 60_000;
    },
    negativeTtl: '1s',
  })
  async byResult(_id: string): Promise<User | null> {
    return null;
  }
}

export class Invalidations {
  readonly prefix = 'p';
  @Invalidates({ keys: 'user:{0.id}' })
  async template(_user: User): Promise<void> {}
  @Invalidates({ keys: ['user:{0.id}', 'users'], tags: ['org:{0.org.no}', 'all'] })
  async templates(_user: User): Promise<void> {}
  @Invalidates({ keys: (_result, user) => [`user:${user.id}`], tags: ['users'] })
  async callbackAndTags(_user: User): Promise<void> {}
  @Invalidates({ keys: 'user:{0.id}', tags: (saved) => [`org:${saved.name}`] })
  async templateAndCallback(user: User): Promise<User> {
    return user;
  }
  @Invalidates({
    keys(saved, user) {
      return [[this.prefix, saved.id], user.id];
    },
    tags(saved) {
      return [this.prefix, saved.name];
    },
    when(user) {
      return this.prefix === user.id;
    },
    unless(saved, user) {
      return saved.id === user.id && this.prefix === 'p';
    },
  })
  async withThis(user: User): Promise<User> {
    return user;
  }
  @Invalidates({
    keys: (saved) => {
      same<typeof saved, User>(true);
      return [saved.id];
    },
  })
  async afterByDefault(user: User): Promise<User> {
    return user;
  }
  @Invalidates({
    timing: 'after',
    keys: (saved) => {
      same<typeof saved, User>(true);
      return [saved.id];
    },
  })
  async after(user: User): Promise<User> {
    return user;
  }
  @Invalidates({
    timing: 'before',
    keys: (saved, user) => {
      same<[typeof saved, typeof user], [User | undefined, User]>(true);
      return [user.id];
    },
    tags: (saved) => {
      same<typeof saved, User | undefined>(true);
      return [];
    },
  })
  async before(user: User): Promise<User> {
    return user;
  }
  @Invalidates({
    keys: (saved) => {
      same<typeof saved, User | undefined>(true);
      return saved === undefined ? [] : [saved.id];
    },
    unless: (saved) => {
      same<typeof saved, User>(true);
      return saved.name === '';
    },
    timing: 'both',
  })
  async both(user: User): Promise<User> {
    return user;
  }
  @Invalidates({ all: true, onUnavailable: 'throw' })
  static async all(): Promise<void> {}
}

const bound = createDecorators(caching);

export class Bound {
  readonly prefix = 'p';
  @bound.Cached({
    key: 'user:{0}',
    tags(user, id) {
      return [this.prefix, user.name, id.toUpperCase()];
    },
  })
  async find(id: string): Promise<User> {
    return find(id);
  }
  @bound.Cached()
  async bare(id: string): Promise<string> {
    return id;
  }
  @bound.Invalidates({ keys: 'user:{0.id}', tags: (saved) => [saved.name] })
  async save(user: User): Promise<User> {
    return user;
  }
}

/** Decorators may be made ahead, and stacked. */
const hourly: AsyncMethodDecorator<object, [id: string], User> = Cached({ ttl: '1h' });

export class Stacked {
  @Cached({ key: 'user:{0}' })
  @Invalidates({ tags: ['reads'] })
  async find(id: string): Promise<User> {
    return find(id);
  }
  @hourly
  async hourly(id: string): Promise<User> {
    return find(id);
  }
}

export class Verified {
  @Cached({ verify: 0.001 })
  async rarely(id: string): Promise<User> {
    return find(id);
  }
  /** `part` takes the value, although the option does not know its type. */
  @Cached({ verify: { share: 1, after: '1s', part: (user: User) => user.name } })
  async part(id: string): Promise<User> {
    return find(id);
  }
}

export function report(): string {
  const report: VerificationReport = caching.verification();
  const stale: readonly VerifiedMethod[] = report.stale;
  subscribe('stale', ({ method, key, ageMs, tier, path }) => {
    const texts: readonly (string | undefined)[] = [method, key, tier, path];
    void [texts, ageMs satisfies number];
  });
  return `${report.methods[0]?.method}: ${stale.length} of ${report.methods[0]?.verified}`;
}

declare function find(id: string): Promise<User>;
