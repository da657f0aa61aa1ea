import type { ModulesContainer } from '@nestjs/core';
import { OptionsError } from '../../core/shared/errors.js';
import { brand } from '../../core/shared/registry.js';
import { DEFAULT_NAME } from './inject-caching.js';

/** A module as Nest keeps it. */
export type NestModule = ModulesContainer extends Map<string, infer M> ? M : never;

/** What a module of this adapter is to those that import it. A value, so that it is known before anything is instantiated. */
export interface Role {
  readonly name: string;
  /** `feature`: it names a runtime. `local` and `global`: it has one. */
  readonly kind: 'feature' | 'local' | 'global';
}

export const ROLE = brand('nestjs.role');

function roleOf(module: NestModule): Role | undefined {
  return module.providers.get(ROLE)?.instance as Role | undefined;
}

/**
 * Finds the runtime of the providers of a module. The first that there is: that of `forFeature` in its imports; a runtime
 * that is not global, which it imports; the global one without a name. What an imported module exports counts as imported,
 * as for providers.
 *
 * @returns the role of the runtime; undefined: this module uses none
 * @throws OptionsError if two are equally near
 */
export function runtimeFor(module: NestModule, modules: ModulesContainer): Role | undefined {
  if (roleOf(module) !== undefined) return undefined;
  const roles = rolesVisibleTo(module);
  const feature = single(
    roles.filter(({ kind }) => kind === 'feature'),
    module,
  );
  if (feature !== undefined) {
    const all = [...modules.values()].map(roleOf);
    return all.find((role) => role !== undefined && role.kind !== 'feature' && role.name === feature.name);
  }
  return (
    single(
      roles.filter(({ kind }) => kind === 'local'),
      module,
    ) ??
    single(
      roles.filter(({ kind, name }) => kind === 'global' && name === DEFAULT_NAME),
      module,
    )
  );
}

function rolesVisibleTo(module: NestModule): readonly Role[] {
  const roles = new Set<Role>();
  const seen = new Set<NestModule>(module.imports);
  // A set is walked in the order of insertion, and what is added on the way is walked too.
  for (const imported of seen) {
    const role = roleOf(imported);
    if (role !== undefined) roles.add(role);
    for (const inner of imported.imports) if (imported.exports.has(inner.metatype)) seen.add(inner);
  }
  return [...roles];
}

function single(roles: readonly Role[], module: NestModule): Role | undefined {
  const [first, ...others] = roles;
  if (first === undefined || others.every(({ name }) => name === first.name && first.kind === 'feature'))
    return first;
  const names = roles.map(({ name }) => `'${name}'`).join(' and ');
  throw new OptionsError(
    `${module.name} can use ${roles.length} runtimes of CachingModule: ${names}. Give all but one a name, and import one of them ` +
      "by CachingModule.forFeature('name'). A method that is to use another one has the option cache.",
  );
}
