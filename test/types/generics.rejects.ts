/** Mistakes in templates that the compiler can decide although the arguments have type parameters. */
import { Cached, createDecorators, Invalidates, Locked, RateLimited, type Caching } from '../../src/index.js';

declare const caching: Caching;

const bound = createDecorators(caching);

interface Model {
  readonly id: string;
  readonly code: string | number;
  readonly owner: { readonly name: string };
}

/** An argument without a type parameter beside one that has it. */
export abstract class Crud<T extends { readonly id: string }> {
  protected abstract load(id: T['id']): Promise<T>;

  // error: cache key template: {1.nme} is not a scalar argument of the method
  @Cached({ key: 'x:{0}:{1.nme}' })
  async cachedKey(id: T['id'], _model: Model): Promise<T> {
    return this.load(id);
  }
  // error: cache key template: {1.code} may be values that print alike, such as 1 and '1': use a function
  @Cached({ key: 'x:{0}:{1.code}' })
  async cachedAmbiguous(id: T['id'], _model: Model): Promise<T> {
    return this.load(id);
  }
  // error: cache key template: {1} is not a scalar argument of the method
  @Cached({ key: 'x:{0}', tags: 'x:{1}' })
  async cachedTag(id: T['id'], _model: Model): Promise<T> {
    return this.load(id);
  }
  // error: cache key template: {1.nme} is not a scalar argument of the method
  @Cached({ tags: ['x:{0}', 'x:{1.nme}'] })
  async cachedTags(id: T['id'], _model: Model): Promise<T> {
    return this.load(id);
  }
  // error: cache key template: {1.nme} is not a scalar argument of the method
  @Cached({ key: 'x:{0}:{1.nme}', tags: (row) => [row.id] })
  async cachedBesideCallback(id: T['id'], _model: Model): Promise<T> {
    return this.load(id);
  }
  // error: cache key template: {1.nme} is not a scalar argument of the method
  @bound.Cached({ key: 'x:{0}:{1.nme}' })
  async boundCached(id: T['id'], _model: Model): Promise<T> {
    return this.load(id);
  }
  // error: cache key template: {1.nme} is not a scalar argument of the method
  @Invalidates({ keys: 'x:{0}:{1.nme}' })
  async invalidatesKey(_row: T, _model: Model): Promise<void> {}
  // error: cache key template: {1.nme} is not a scalar argument of the method
  @Invalidates({ keys: ['x:{0}', 'x:{1.nme}'] })
  async invalidatesKeys(_row: T, _model: Model): Promise<void> {}
  // error: cache key template: {1.owner} is not a scalar argument of the method
  @Invalidates({ tags: 'x:{0}:{1.owner}' })
  async invalidatesTag(_row: T, _model: Model): Promise<void> {}
  // error: cache key template: {1.code} may be values that print alike, such as 1 and '1': use a function
  @Invalidates({ keys: 'x:{0.id}', tags: ['x:{0.id}', 'x:{1.code}'] })
  async invalidatesTags(_row: T, _model: Model): Promise<void> {}
  // error: cache key template: {1.nme} is not a scalar argument of the method
  @bound.Invalidates({ keys: 'x:{0}:{1.nme}' })
  async boundInvalidates(_row: T, _model: Model): Promise<void> {}
  // error: cache key template: {1.nme} is not a scalar argument of the method
  @Locked({ key: 'x:{0}:{1.nme}' })
  async lockedKey(_row: T, _model: Model): Promise<void> {}
  // error: cache key template: {1} is not a scalar argument of the method
  @Locked({ keys: 'x:{0}:{1}' })
  async lockedOneOfKeys(_row: T, _model: Model): Promise<void> {}
  // error: cache key template: {1.code} may be values that print alike, such as 1 and '1': use a function
  @Locked({ keys: ['x:{0}', 'x:{1.code}'] })
  async lockedKeys(_row: T, _model: Model): Promise<void> {}
  // error: cache key template: {1.nme} is not a scalar argument of the method
  @bound.Locked({ key: 'x:{0}:{1.nme}' })
  async boundLocked(_row: T, _model: Model): Promise<void> {}
  // error: cache key template: {1.nme} is not a scalar argument of the method
  @RateLimited({ key: 'x:{0}:{1.nme}', limit: 5, per: '1m' })
  async limitedKey(_row: T, _model: Model): Promise<void> {}
  // error: cache key template: {1.code} may be values that print alike, such as 1 and '1': use a function
  @RateLimited({ key: 'x:{0}:{1.code}', limit: (row) => row.id.length, per: '1m' })
  async limitedAmbiguous(_row: T, _model: Model): Promise<void> {}
  // error: cache key template: {1.nme} is not a scalar argument of the method
  @bound.RateLimited({ key: 'x:{0}:{1.nme}', limit: 5, per: '1m' })
  async boundLimited(_row: T, _model: Model): Promise<void> {}
}

/** Mistakes whatever the type parameters become. */
export class Arguments<T extends { readonly id: string }, U, A extends readonly unknown[]> {
  // error: cache key template: {1} is not a scalar argument of the method
  @Cached({ key: 'x:{1}' })
  async absent(_id: T['id']): Promise<void> {}
  // error: cache key template: {id} is not a scalar argument of the method
  @Cached({ key: 'x:{id}' })
  async named(_id: T['id']): Promise<void> {}
  // error: cache key template: {id} is not a scalar argument of the method
  @Cached({ key: 'x:{0}:{id}' })
  async namedOfMany(..._args: A): Promise<void> {}
  // error: cache key template: {} is not a scalar argument of the method
  @Cached({ key: 'x:{}' })
  async empty(_id: T['id']): Promise<void> {}
  // error: cache key template: it has a '{' without a '}' after it
  @Cached({ key: 'x:{0' })
  async unclosed(_id: T['id']): Promise<void> {}
  // error: cache key template: it has a '}' without a '{' before it
  @Invalidates({ keys: 'x:0}' })
  async unopened(_id: T['id']): Promise<void> {}
  // error: cache key template: put ':' between two placeholders
  @Locked({ key: 'x:{0}{1}' })
  async touching(_id: T['id'], _value: U): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Cached({ key: 'x:{0}' })
  async list(_rows: readonly T[]): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Cached({ key: 'x:{0}' })
  async rest(..._pages: U[][]): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Cached({ key: 'x:{0}' })
  async promise(_row: Promise<T>): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Cached({ key: 'x:{0}' })
  async callback(_load: () => U): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Cached({ key: 'x:{0}' })
  async object(_options: { readonly row: T }): Promise<void> {}
  // error: cache key template: {0.rwo.id} is not a scalar argument of the method
  @Cached({ key: 'x:{0.rwo.id}' })
  async path(_options: { readonly row: T }): Promise<void> {}
  // error: cache key template: {0.model.nme} is not a scalar argument of the method
  @Cached({ key: 'x:{0.row.id}:{0.model.nme}' })
  async bothInOne(_options: { readonly row: T; readonly model: Model }): Promise<void> {}
  // error: cache key template: {0.1} is not a scalar argument of the method
  @Cached({ key: 'x:{0.0}:{0.1}' })
  async pair(_pair: readonly [T['id'], Model]): Promise<void> {}
  // error: cache key template: {1} is not a scalar argument of the method
  @Cached({ key: 'x:{0}:{1}' })
  async optional(_value?: U, _model?: Model): Promise<void> {}
  // error: cache key template: {1} may be values that print alike, such as 1 and '1': use a function
  @Cached({ key: 'x:{0}:{1}' })
  async byDefault(_value: U, _page: string | number = 1): Promise<void> {}
  // error: cache key template: {2} is not a scalar argument of the method
  @Cached({ key: 'x:{0}:{2}' })
  async restOfObjects(_value: U, ..._models: Model[]): Promise<void> {}
  // error: cache key template: {1.nme} is not a scalar argument of the method
  @Cached({ key: 'x:{0.id}:{1.nme}' })
  async destructured({ id: _id }: T, { owner: _owner }: Model): Promise<void> {}
}

/** The compiler reads a type parameter of the method as its constraint. */
export class Methods {
  // error: cache key template: {0} is not a scalar argument of the method
  @Cached({ key: 'x:{0}' })
  async withoutConstraint<V>(_value: V): Promise<void> {}
  // error: cache key template: {0.nme} is not a scalar argument of the method
  @Cached({ key: 'x:{0.nme}' })
  async path<M extends Model>(_model: M): Promise<void> {}
  // error: cache key template: {0} may be values that print alike, such as 1 and '1': use a function
  @Invalidates({ keys: 'x:{0}' })
  async ambiguous<Id extends string | number>(_id: Id): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Locked({ key: 'x:{0}' })
  async object<M extends Model>(_model: M): Promise<void> {}
  // error: cache key template: {1} is not a scalar argument of the method
  @RateLimited({ key: 'x:{0}:{1}', limit: 5, per: '1m' })
  async property<K extends keyof Model>(_key: K, _value: Model[K]): Promise<void> {}
  // error: cache key template: {1.nme} is not a scalar argument of the method
  @Cached({ key: 'x:{0}:{1.nme}' })
  async besideConcrete<K extends keyof Model>(_key: K, _model: Model): Promise<void> {}
}

/** Of overloads, legacy decorators see the last one, standard decorators the implementation. */
export class Overloads<T extends { readonly id: string }> {
  async find(id: T['id'], owner: string): Promise<void>;
  async find(id: T['id'], owner: Model['owner']): Promise<void>;
  // error: cache key template: {1} is not a scalar argument of the method
  @Cached({ key: 'x:{0}:{1}' })
  async find(_id: T['id'], _owner: string | Model['owner']): Promise<void> {}
  async get(id: T['id'], code: number): Promise<void>;
  async get(id: T['id'], code: string): Promise<void>;
  // error(standard): cache key template: {1} may be values that print alike, such as 1 and '1': use a function
  @Cached({ key: 'x:{0}:{1}' })
  async get(_id: T['id'], _code: string | number): Promise<void> {}
}

export class Node {
  readonly id: string = '';

  // error: cache key template: {1.nme} is not a scalar argument of the method
  @Cached({ key: 'x:{0.id}:{1.nme}' })
  async find(_node: this, _model: Model): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Locked({ key: 'x:{0}' })
  async move(_nodes: readonly this[]): Promise<void> {}
}

/** A subclass with concrete arguments. */
export class Models extends Crud<Model> {
  protected load(id: string): Promise<Model> {
    return Promise.resolve({ id, code: 1, owner: { name: '' } });
  }
  // error: cache key template: {0.nme} is not a scalar argument of the method
  @Locked({ key: 'x:{0.nme}' })
  override async lockedKey(_row: Model, _model: Model): Promise<void> {}
  // error: cache key template: {0} is not a scalar argument of the method
  @Invalidates({ keys: 'x:{0}' })
  override async invalidatesKey(_row: Model, _model: Model): Promise<void> {}
}

type Constructor<Instance = object> = new (...args: any[]) => Instance;

export function Mixin<T extends { readonly id: string }, Base extends Constructor>(base: Base) {
  class Mixed extends base {
    // error: cache key template: {1.nme} is not a scalar argument of the method
    @Cached({ key: 'x:{0}:{1.nme}' })
    async find(_id: T['id'], _model: Model): Promise<void> {}
    // error: Property 'prefix' does not exist on type 'Mixed'
    @Locked({ key() { return this.prefix; } })
    async lock(_id: string): Promise<void> {}
  }
  return Mixed;
}

/** Callbacks in a generic class may read what the constraint has. */
export class Callbacks<T extends { readonly id: string }> {
  // error: Property 'nme' does not exist on type 'T'
  @Cached({ key: (row) => [row.nme] })
  async key(row: T): Promise<T> {
    return row;
  }
  // error: Property 'nme' does not exist on type 'T'
  @Cached({ key: 'x:{0.id}', tags: (saved) => [saved.nme] })
  async tags(row: T): Promise<T> {
    return row;
  }
  // error: Property 'nme' does not exist on type 'T'
  @Invalidates({ keys: (_saved, row) => [row.nme] })
  async keys(row: T): Promise<T> {
    return row;
  }
  // error: Type 'T' is not assignable to type 'Key'
  @Locked({ key: (row) => row })
  async lock(_row: T): Promise<void> {}
  // error: Property 'nme' does not exist on type 'T'
  @RateLimited({ key: 'x:{0.id}', limit: 5, per: '1m', cost: (row) => row.nme })
  async cost(_row: T): Promise<void> {}
}
