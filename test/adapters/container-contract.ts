import type { ExecutionContext, TestFn } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Cached, Caching, MissingCachingError } from '../../src/index.js';
import { defineChannel, pubsub, Subscribes } from '../../src/pubsub/index.js';
import { fakeClock } from '../../src/testing/index.js';

/** A container with the classes of the test, and no `Caching`. */
export interface TestContainer {
  /** The one call of the adapter. */
  registerCaching(caching: Caching): void;
  /** A new instance at each call. */
  transient(): Users;
  /** One instance of this container. */
  singleton(): Users;
  /** What the constructor of another class received. */
  injected(): Users;
  /** What the container has for `Caching`. */
  caching(): Caching;
  /** An instance whose activation or factory is asynchronous, if there are such. */
  asynchronous?(): Promise<Users>;
  /** A container of a request or a tenant. */
  child(): TestContainer;
  dispose(): Promise<void>;
}

type CachingName = 'own' | 'parent' | 'none';

/** What a container does otherwise than most, each with its reason. */
export interface ContainerDeviations {
  /** A child without a `Caching` of its own uses that of its parent. */
  readonly childWithoutCaching?: Deviation<CachingName>;
  /** A singleton that a parent provides and a child resolves first keeps the `Caching` of the child. */
  readonly singletonMadeByChild?: Deviation<CachingName>;
  /** A singleton made before the registration is bound by none. */
  readonly earlierSingleton?: Deviation<CachingName>;
  /** Nothing is made asynchronously. */
  readonly asynchronous?: Deviation<undefined>;
}

interface Deviation<Value> {
  readonly is: Value;
  readonly because: string;
}

const renamed = defineChannel<string>('renamed');

export class Users {
  readonly renamed: string[] = [];

  @Subscribes(renamed)
  onRenamed(id: string): void {
    this.renamed.push(id);
  }

  @Cached({ key: 'user:{0}' })
  async find(id: string): Promise<string> {
    return `user ${id}`;
  }
}

let count = 0;

export const newCaching = (): Caching =>
  new Caching({
    adapter: memory(),
    namespace: `container-${count++}`,
    clock: fakeClock(),
    defaults: { ttl: '5m' },
  });

/** Runs the call on a key of its own, and tells whether this `Caching` stored it. */
export async function serves(caching: Caching, users: Users): Promise<boolean> {
  const id = String(count++);
  await users.find(id);
  return caching.cache.has(`user:${id}`);
}

/** What every adapter for a container does. */
export function containerContract(
  test: TestFn,
  name: string,
  newContainer: () => TestContainer,
  deviations: ContainerDeviations = {},
): void {
  const registered = (caching: Caching): TestContainer => {
    const container = newContainer();
    container.registerCaching(caching);
    return container;
  };
  const servedBy = async (
    t: ExecutionContext,
    users: Users,
    expected: CachingName,
    all: { own?: Caching; parent?: Caching },
  ) => {
    const caching = expected === 'none' ? undefined : all[expected];
    if (caching === undefined) await t.throwsAsync(users.find('1'), { instanceOf: MissingCachingError });
    else t.true(await serves(caching, users));
  };

  test(`${name}: Caching is registered for injection`, (t) => {
    const caching = newCaching();
    t.is(registered(caching).caching(), caching);
  });

  test(`${name}: transient instances and injected ones use the Caching of their container`, async (t) => {
    const caching = newCaching();
    const container = registered(caching);
    t.not(container.transient(), container.transient());
    t.true(await serves(caching, container.transient()));
    t.true(await serves(caching, container.injected()));
  });

  test(`${name}: the methods of what it makes receive messages, once for a class`, async (t) => {
    const caching = newCaching();
    const container = registered(caching);
    const [first, second] = [container.transient(), container.transient()];
    await pubsub(caching).ready();
    t.is(await pubsub(caching).publish(renamed, '1'), 1);
    await caching.close();
    t.deepEqual(first.renamed, ['1']);
    t.deepEqual(second.renamed, []);
  });

  test(`${name}: a singleton uses the Caching of its container`, async (t) => {
    const caching = newCaching();
    const container = registered(caching);
    t.is(container.singleton(), container.singleton());
    t.true(await serves(caching, container.singleton()));
  });

  test(`${name}: two containers side by side keep their own Caching`, async (t) => {
    const [a, b] = [newCaching(), newCaching()];
    const [first, second] = [registered(a), registered(b)];
    for (const made of ['transient', 'singleton', 'injected'] as const) {
      t.true(await serves(a, first[made]()), made);
      t.true(await serves(b, second[made]()), made);
    }
  });

  const childWithout = deviations.childWithoutCaching;
  test(`${name}: a child container without a Caching uses ${childWithout?.because ?? 'that of its parent'}`, async (t) => {
    const parent = newCaching();
    const child = registered(parent).child();
    await servedBy(t, child.transient(), childWithout?.is ?? 'parent', { parent });
    await servedBy(t, child.injected(), childWithout?.is ?? 'parent', { parent });
  });

  test(`${name}: a child container with another Caching uses that, and its parent does not`, async (t) => {
    const all = { parent: newCaching(), own: newCaching(), other: newCaching() };
    const parent = registered(all.parent);
    const [child, other] = [parent.child(), parent.child()];
    child.registerCaching(all.own);
    other.registerCaching(all.other);
    t.is(child.caching(), all.own);
    t.is(parent.caching(), all.parent);
    for (const made of ['transient', 'injected'] as const) {
      t.true(await serves(all.own, child[made]()), made);
      t.true(await serves(all.other, other[made]()), made);
      t.true(await serves(all.parent, parent[made]()), made);
    }
  });

  const byChild = deviations.singletonMadeByChild;
  test(`${name}: a singleton that a child resolves first keeps ${byChild?.because ?? 'the Caching of the child'}`, async (t) => {
    const all = { parent: newCaching(), own: newCaching() };
    const parent = registered(all.parent);
    const child = parent.child();
    child.registerCaching(all.own);
    await servedBy(t, child.singleton(), byChild?.is ?? 'own', all);
  });

  test(`${name}: a transient instance made before the registration is not bound`, async (t) => {
    const container = newContainer();
    const early = container.transient();
    const caching = newCaching();
    container.registerCaching(caching);
    await t.throwsAsync(early.find('1'), { instanceOf: MissingCachingError });
    t.true(await serves(caching, container.transient()), 'later ones are');
  });

  const earlier = deviations.earlierSingleton;
  test(`${name}: a singleton made before the registration ${earlier?.because ?? 'is not bound'}`, async (t) => {
    const container = newContainer();
    container.singleton();
    const own = newCaching();
    container.registerCaching(own);
    await servedBy(t, container.singleton(), earlier?.is ?? 'none', { own });
  });

  test(`${name}: without a Caching a call rejects`, async (t) => {
    await t.throwsAsync(newContainer().transient().find('1'), { instanceOf: MissingCachingError });
  });

  test(`${name}: registering again replaces the Caching for new instances`, async (t) => {
    const [first, second] = [newCaching(), newCaching()];
    const container = registered(first);
    const old = container.transient();
    container.registerCaching(second);
    t.is(container.caching(), second);
    t.true(await serves(second, container.transient()));
    t.true(await serves(first, old));
  });

  if (deviations.asynchronous === undefined) {
    test(`${name}: an instance that is made asynchronously is bound when it is there`, async (t) => {
      const caching = newCaching();
      t.true(await serves(caching, await registered(caching).asynchronous!()));
    });
  }

  test(`${name}: a disposed child leaves its instances and its parent as they are`, async (t) => {
    const all = { parent: newCaching(), own: newCaching() };
    const parent = registered(all.parent);
    const child = parent.child();
    child.registerCaching(all.own);
    const users = child.transient();
    await child.dispose();
    t.true(await serves(all.own, users));
    t.true(await serves(all.parent, parent.transient()));
  });
}
