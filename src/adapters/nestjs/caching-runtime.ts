import { types } from 'node:util';
import type {
  OnApplicationBootstrap,
  OnApplicationShutdown,
  OnModuleDestroy,
  OnModuleInit,
} from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { Caching, type CachingOptions } from '../../core/caching.js';
import { describe } from '../../core/shared/describe.js';
import { OptionsError } from '../../core/shared/errors.js';
import { brand, shared } from '../../core/shared/registry.js';
import { instanceMade, type InstanceWork } from '../../decorators/shared/made-instances.js';
import { bindInstance, isBound } from '../../decorators/shared/resolve-caching.js';
import { runtimeFor, type Role } from './module-runtimes.js';
import { singletonsOf, watchProviders } from './watch-providers.js';

/** The property by which an instance that Nest copies carries its `Caching` to the copy. */
const CARRIED = brand('nestjs.carried');
/** Instances that this adapter has bound. Of two applications that provide the same object, the later one binds it. */
const bound = shared('nestjs.bound', () => new WeakSet<object>());

/** The `Caching` of one `CachingModule` in one application, and the providers that use it. */
export class CachingRuntime
  implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown
{
  readonly #role: Role;
  readonly #modules: ModulesContainer;
  readonly #watched = new WeakSet<object>();
  /** Instances that were made before the options of the `Caching` were known. */
  #waiting: object[] = [];
  #caching: Caching | undefined;
  #own: Caching | undefined;
  /** What was begun for the instances of this application. */
  #works: InstanceWork[] = [];

  /** @throws OptionsError if a module could use two runtimes */
  constructor(role: Role, modules: ModulesContainer) {
    this.#role = role;
    this.#modules = modules;
    this.#watch();
  }

  /**
   * Makes the `Caching` if it does not exist, and waits until its store can be used.
   * @throws OptionsError
   * @throws StoreSetupError with the cause and the fix
   */
  async open(source: Caching | CachingOptions, label: string): Promise<Caching> {
    if (Caching.is(source)) {
      await source.ready();
      return source;
    }
    if (typeof source !== 'object' || source === null) {
      throw new OptionsError(
        `${label} takes the options of new Caching, or a Caching, and ${describe(source)} was given.`,
      );
    }
    const caching = new Caching(source);
    try {
      await caching.ready();
    } catch (error) {
      // An application that did not start is not stopped either.
      await caching.close();
      throw error;
    }
    return (this.#own = caching);
  }

  /** Sets the `Caching` of all providers. A test may have replaced what `open` returned. */
  use(caching: Caching): void {
    this.#caching = caching;
    for (const instance of this.#waiting) bindInstance(instance, caching);
    this.#waiting = [];
  }

  /** Middleware has been added to the modules since. */
  onModuleInit(): void {
    this.#watch();
  }

  /** All instances are complete, and their `onModuleInit` has run. */
  onApplicationBootstrap(): void {
    const caching = this.#caching;
    if (caching === undefined) return;
    for (const module of this.#modules.values()) {
      if (runtimeFor(module, this.#modules) !== this.#role) continue;
      for (const instance of singletonsOf(module)) {
        const work = bound.has(instance) ? instanceMade(instance, caching) : undefined;
        if (work !== undefined) this.#works.push(work);
      }
    }
  }

  async onModuleDestroy(): Promise<void> {
    const works = this.#works;
    this.#works = [];
    await Promise.all(works.map((work) => work.end()));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#own?.close();
  }

  #watch(): void {
    for (const module of this.#modules.values()) {
      if (runtimeFor(module, this.#modules) !== this.#role) continue;
      watchProviders(module, this.#watched, (instance, isCopied) => this.#bind(instance, isCopied));
    }
  }

  #bind(instance: unknown, isCopied: boolean): void {
    if (typeof instance !== 'object' || instance === null || types.isPromise(instance)) return;
    // The application itself has bound it.
    if (isBound(instance) && !bound.has(instance)) return;
    bound.add(instance);
    if (this.#caching === undefined) {
      this.#waiting.push(instance);
      return;
    }
    bindInstance(instance, this.#caching);
    if (isCopied) Reflect.set(instance, CARRIED, this.#caching);
  }
}
