/**
 * Templates of methods whose arguments have type parameters: what the compiler cannot decide is accepted, and callbacks
 * have their types all the same.
 */
import {
  Cached,
  createDecorators,
  Invalidates,
  Locked,
  RateLimited,
  type AsyncMethodDecorator,
  type CachedOptions,
  type Caching,
} from '../../src/index.js';

/** Fails to compile unless the two are one type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
declare function same<A, B>(proof: Same<A, B>): void;
declare const caching: Caching;

const bound = createDecorators(caching);

interface Model {
  readonly id: string;
  readonly no: number;
  readonly owner: { readonly name: string };
}

/** The base class of many services. */
export abstract class Crud<T extends { readonly id: string }> {
  protected abstract load(id: T['id']): Promise<T>;

  @Cached({ key: 'crud:{0}', ttl: '1m' })
  async find(id: T['id']): Promise<T> {
    return this.load(id);
  }
  @Cached({ key: 'crud:{0}:{1}', tags: ['crud:{0}', 'lang:{1}'] })
  async localized(id: T['id'], _lang: string): Promise<T> {
    return this.load(id);
  }
  @Cached({
    key: 'crud:{0}',
    tags: (row, id) => {
      same<[typeof row, typeof id], [T, T['id']]>(true);
      return [row.id, id];
    },
    unless: (row, id) => row.id === id,
    cache: (self) => {
      same<typeof self, Crud<T>>(true);
      return caching;
    },
  })
  async templateAndCallbacks(id: T['id']): Promise<T> {
    return this.load(id);
  }
  @Cached({ key: (id) => ['crud', id], tags: (rows) => rows.map((row) => row.id) })
  async callbacks(id: T['id']): Promise<readonly T[]> {
    return [await this.load(id)];
  }
  @Invalidates({ keys: 'crud:{0.id}', tags: ['crud', 'crud:{0.id}'] })
  async save(row: T): Promise<T> {
    return row;
  }
  @Invalidates({
    keys: ['crud:{0}', 'crud:{1.id}'],
    tags: (saved, id, changes) => {
      same<[typeof saved, typeof id, typeof changes], [T, T['id'], Partial<T>]>(true);
      return [saved.id];
    },
  })
  async update(id: T['id'], _changes: Partial<T>): Promise<T> {
    return this.load(id);
  }
  @Locked({ key: 'crud:{0}' })
  async lock(_id: T['id']): Promise<void> {}
  @Locked({ keys: ['crud:{0.id}', 'crud:{1}'], when: (row, id) => row.id !== id })
  async lockBoth(_row: T, _id: T['id']): Promise<void> {}
  @RateLimited({
    key: 'crud:{0}:{1.id}',
    limit: 5,
    per: '1m',
    cost: (id, row) => {
      same<[typeof id, typeof row], [T['id'], T]>(true);
      return row.id.length;
    },
  })
  async limit(_id: T['id'], _row: T): Promise<void> {}
  @bound.Cached({ key: 'crud:{0}', tags: 'crud:{0}' })
  async boundCached(id: T['id']): Promise<T> {
    return this.load(id);
  }
  @bound.Invalidates({ keys: 'crud:{0}' })
  async boundInvalidates(_id: T['id']): Promise<void> {}
  @bound.Locked({ keys: 'crud:{0}' })
  async boundLocked(_id: T['id']): Promise<void> {}
  @bound.RateLimited({ key: 'crud:{0}', limit: 5, per: '1m' })
  async boundRateLimited(_id: T['id']): Promise<void> {}
}

export class Arguments<T extends { readonly id: string }, U, K extends string, Row extends object> {
  @Cached({ key: 'a:{0}' })
  async whole(row: T): Promise<T> {
    return row;
  }
  @Cached({ key: 'a:{0}:{0.id}' })
  async withoutConstraint(value: U): Promise<U> {
    return value;
  }
  @Cached({ key: 'a:{0}' })
  async text(key: K): Promise<K> {
    return key;
  }
  @Cached({ key: 'a:{0}' })
  async name(key: keyof T): Promise<keyof T> {
    return key;
  }
  @Cached({ key: 'a:{0}' })
  async stringName(key: Extract<keyof Row, string>): Promise<string> {
    return key;
  }
  @Cached({ key: 'a:{0}' })
  async property(value: Row[keyof Row]): Promise<Row[keyof Row]> {
    return value;
  }
  @Cached({ key: 'a:{0.id}:{1.id}:{2.id}' })
  async mapped(
    _some: Partial<T>,
    _all: Readonly<Required<T>>,
    _own: { [P in keyof T]: string },
  ): Promise<void> {}
  @Cached({ key: 'a:{0.id}' })
  async omitted(_row: Omit<Row, 'password'> & { readonly id: string }): Promise<void> {}
  @Cached({ key: 'a:{0}:{1}' })
  async conditional(_id: T extends { no: infer N } ? N : string, _value: NonNullable<U>): Promise<void> {}
  @Cached({ key: 'a:{0}:{1}' })
  async madeOfText(_key: `user-${K}`, _upper: Uppercase<K>): Promise<void> {}
  @Cached({ key: 'a:{0}:{1.id}' })
  async union(_id: T['id'] | number, _row: T | null | undefined): Promise<void> {}
  @Cached({ key: 'a:{0}:{0.no}:{0.more}' })
  async intersection(_value: U & Model): Promise<void> {}
  @Cached({ key: 'a:{0.row.id}:{0.no}' })
  async inside(_value: { readonly row: T; readonly no: number }): Promise<void> {}
  @Cached({ key: 'a:{0.0}:{1.0}:{1.1}' })
  async elements(_ids: readonly T['id'][], _pair: readonly [U, string]): Promise<void> {}
  @Cached({ key: 'a:{0}:{1}' })
  async optional(_id?: T['id'], _value?: U): Promise<void> {}
  @Cached({ key: 'a:{0}:{1}' })
  async byDefault(_value: U | string = 'x', _page = 1): Promise<void> {}
  @Cached({ key: 'a:{0}:{2}' })
  async rest(...ids: T['id'][]): Promise<number> {
    return ids.length;
  }
  @Cached({ key: 'a:{0}:{1}:{2}' })
  async restAfterOne(_page: number, ...ids: T['id'][]): Promise<number> {
    return ids.length;
  }
  @Cached({ key: 'a:{0.id}:{1.0}', tags: (_result, { id }, [first]) => [id, String(first)] })
  async destructured({ id }: T, [first]: readonly U[]): Promise<string> {
    return id + String(first);
  }
  @Cached({ key: 'a:{0.id}' })
  async spread({ id, ...others }: T): Promise<unknown> {
    return [id, others];
  }
  @Cached({ key: 'a:{0}' })
  static async ofClass<Id extends string>(id: Id): Promise<string> {
    return this.name + id;
  }
  @Cached({ key: 'a:{0}:{0.deep}:{1.id}' })
  async anything(_anything: any, _row: T): Promise<void> {}
}

/** The arguments themselves are a type parameter. */
export class Handler<A extends readonly unknown[], F extends (...args: never[]) => unknown> {
  @Cached({ key: 'h:{0}:{1.id}', tags: (_result, ...args) => [String(args.length)] })
  async run(...args: A): Promise<number> {
    return args.length;
  }
  @Locked({ keys: ['h:{0}', 'h:{1}'] })
  async runWithName(_name: string, ..._args: A): Promise<void> {}
  @RateLimited({ key: 'h:{0}', limit: 5, per: '1m' })
  async call(..._args: Parameters<F>): Promise<void> {}
}

/** The compiler reads a type parameter of the method as its constraint. */
export class Methods {
  readonly model: Model = { id: '', no: 0, owner: { name: '' } };

  @Cached({ key: 'm:{0}', tags: (id) => [id] })
  async find<Id extends string>(id: Id): Promise<Id> {
    return id;
  }
  @Cached({ key: 'm:{0}' })
  async get<K extends keyof Model>(key: K): Promise<Model[K]> {
    return this.model[key];
  }
  @Invalidates({ keys: 'm:{0.id}', tags: ['m:{0.owner.name}', 'm:{1}'] })
  async save<M extends Model>(model: M, _id: M['id']): Promise<M> {
    return model;
  }
  @Locked({ keys: ['m:{0}', 'm:{1}'] })
  async lock<Id extends string, No extends number>(_id: Id, _no?: No): Promise<void> {}
  @RateLimited({ key: 'm:{0}:{1}', limit: 5, per: '1m' })
  async limit<const Ids extends readonly string[]>(..._ids: Ids): Promise<void> {}
}

export class InGenericClass<T extends object> {
  @Cached({ key: 'm:{0}:{1}' })
  async get<K extends keyof T>(_key: K, _fallback?: T[K]): Promise<T[K] | undefined> {
    return undefined;
  }
  @Invalidates({ keys: 'm:{0}:{1.id}' })
  async set<K extends keyof T>(_key: K, _row: T & { readonly id: K }): Promise<void> {}
  @Locked({ key: 'm:{0}' })
  async lock<K extends Extract<keyof T, string>>(_key: K): Promise<void> {}
  @RateLimited({ key: 'm:{0}', limit: 5, per: '1m' })
  async limit<K extends string & keyof T>(_key: K): Promise<void> {}
}

/** The implementation is decorated. */
export class Overloads<T extends { readonly id: string }> {
  async find(id: T['id']): Promise<T | undefined>;
  async find(row: T, lang: string): Promise<T | undefined>;
  @Cached({ key: (rowOrId, lang) => [typeof rowOrId === 'string' ? rowOrId : rowOrId.id, lang] })
  async find(_rowOrId: T | string, _lang?: string): Promise<T | undefined> {
    return undefined;
  }
  async get(id: T['id']): Promise<void>;
  async get(id: T['id'], lang: string): Promise<void>;
  @Locked({ key: 'o:{0}:{1}' })
  async get(_id: T['id'], _lang?: string): Promise<void> {}
}

/** Types of `this`. */
export class Node {
  readonly id: string = '';
  readonly children: readonly this[] = [];

  @Cached({ key: 'n:{0.id}:{1}', tags: (node) => [node.id] })
  async find(node: this, _id: this['id']): Promise<this> {
    return node;
  }
  @Invalidates({ keys: 'n:{0.id}' })
  async save(_node: this): Promise<void> {}
  @Locked({ keys: ['n:{0.id}', 'n:{1.id}'] })
  async move(_from: this, _to?: this | null): Promise<void> {}
  @RateLimited({ key: 'n:{0}', limit: 5, per: '1m' })
  async limit(_name: keyof this): Promise<void> {}
}

/** A subclass with concrete arguments. */
export class Models extends Crud<Model> {
  protected load(id: string): Promise<Model> {
    return Promise.resolve({ id, no: 0, owner: { name: '' } });
  }
  @Cached({
    key: 'model:{0}',
    tags: (model, id) => {
      same<[typeof model, typeof id], [Model, string]>(true);
      return [model.owner.name];
    },
  })
  override async find(id: string): Promise<Model> {
    return super.find(id);
  }
  @Invalidates({ keys: 'model:{0.id}:{0.owner.name}' })
  override async save(model: Model): Promise<Model> {
    return super.save(model);
  }
}

export class Narrower<T extends Model> extends Crud<T> {
  protected load(id: string): Promise<T> {
    return Promise.reject(new Error(id));
  }
  @Locked({ key: 'narrower:{0}' })
  override async lock(id: T['id']): Promise<void> {
    return super.lock(id);
  }
}

type Constructor<Instance = object> = new (...args: any[]) => Instance;
type AbstractConstructor<Instance = object> = abstract new (...args: any[]) => Instance;

export function Cacheable<Base extends Constructor<{ readonly prefix: string }>>(base: Base) {
  class Mixed extends base {
    @Cached({
      key: 'mixed:{0}',
      tags(result, id) {
        same<[typeof result, typeof id], [string, string]>(true);
        return [this.prefix];
      },
    })
    async find(id: string): Promise<string> {
      return this.prefix + id;
    }
    @Invalidates({ keys: 'mixed:{0.id}' })
    async save(_model: Model): Promise<void> {}
    @Locked({ keys: ['mixed:{0}', 'mixed:{1.id}'] })
    async lock(_id: InstanceType<Base>['prefix'], _model: Model): Promise<void> {}
    @RateLimited({ key: 'mixed:{0}', limit: 5, per: '1m' })
    async limit(_id: string): Promise<void> {}
  }
  return Mixed;
}

export function CrudOf<T extends { readonly id: string }>(load: (id: T['id']) => Promise<T>) {
  abstract class Mixed {
    @Cached({ key: 'mixed:{0}', tags: (row) => [row.id] })
    async find(id: T['id']): Promise<T> {
      return load(id);
    }
    @Invalidates({ keys: 'mixed:{0.id}' })
    async save(_row: T): Promise<void> {}
  }
  return Mixed;
}

export function Limited<Base extends AbstractConstructor>(base: Base) {
  abstract class Mixed extends base {
    @RateLimited({ key: 'mixed:{0}', limit: 5, per: '1m' })
    async limit(_id: string): Promise<void> {}
  }
  return Mixed;
}

class Prefixed {
  readonly prefix = 'p';
}
export class OfMixin extends Cacheable(Prefixed) {}
export class OfMixins extends Limited(CrudOf<Model>((id) => Promise.reject(new Error(id)))) {}

/** Decorators made of these decorators. */
export function FindById<This extends object, A extends readonly unknown[], R>(): AsyncMethodDecorator<
  This,
  A,
  R
> {
  return Cached<This, A, R, 'row:{0}', never>({ key: 'row:{0}', ttl: '1m' });
}
export function ShortlyCached<
  This extends object,
  A extends readonly unknown[],
  R,
  const K extends string,
  const T extends string,
>(options: CachedOptions<This, A, R, K, T>): AsyncMethodDecorator<This, A, R> {
  return Cached({ ttl: '1s', ...options });
}

export class OwnDecorators<T extends { readonly id: string }> {
  @FindById()
  async find(_id: T['id']): Promise<T | undefined> {
    return undefined;
  }
  @ShortlyCached({ key: 'row:{0.id}', tags: (row) => [row.id] })
  async reload(row: T): Promise<T> {
    return row;
  }
}
