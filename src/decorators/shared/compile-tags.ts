import { joinTags, normaliseTags } from '../../core/cache/tags.js';
import type { ContextOfCall } from '../../core/keys/context.js';
import { compileTemplates } from './compile-key.js';

/** The `tags` option of a decorator: templates, or a function of the result and the arguments. */
export type AnyTags =
  | string
  | readonly string[]
  | ((this: unknown, result: unknown, ...args: readonly unknown[]) => readonly string[]);

export interface TagRenderers {
  readonly ofArguments: (args: unknown[]) => readonly string[];
  /** Undefined if no tag depends on the result. */
  readonly ofResult:
    | ((
        self: unknown,
        result: unknown,
        args: unknown[],
        parts: ContextOfCall | undefined,
        set: readonly string[],
      ) => readonly string[])
    | undefined;
}

const NO_TAGS: readonly string[] = [];

/**
 * Compiles the `tags` option of a decorator.
 *
 * @param label names the decorator in errors
 * @param ofClass the tags that all methods of the class have
 * @throws OptionsError
 */
export function compileTags(
  tags: AnyTags | undefined,
  label: string,
  ofClass: readonly string[] = NO_TAGS,
): TagRenderers {
  if (tags === undefined) return { ofArguments: () => ofClass, ofResult: undefined };
  if (typeof tags === 'function') {
    return {
      ofArguments: () => ofClass,
      ofResult: (self, result, args, parts, set) => {
        const own = normaliseTags(tags.apply(self, [result, ...args]), label);
        const found = set.length === 0 ? own : [...new Set([...own, ...set])];
        return parts === undefined ? found : parts.tags(found);
      },
    };
  }
  const renders = compileTemplates(tags, `tags of ${label}`);
  if (!String(tags).includes('{')) {
    const own = normaliseTags(
      renders.map((render) => render([])),
      label,
    );
    const fixed = joinTags(own, ofClass);
    return { ofArguments: () => fixed, ofResult: undefined };
  }
  return {
    ofArguments: (args) => [...new Set([...renders.map((render) => render(args)), ...ofClass])],
    ofResult: undefined,
  };
}

/**
 * Returns the tags of a call that follow from its arguments: those of its option, with the parts of its context, and those that
 * all contexts share.
 */
export function argumentTagsOf(
  { tags, sharedTags }: { readonly tags: TagRenderers; readonly sharedTags: readonly string[] },
  args: unknown[],
  parts: ContextOfCall | undefined,
): readonly string[] {
  const own = tags.ofArguments(args);
  return joinTags(parts === undefined ? own : parts.tags(own), sharedTags);
}
