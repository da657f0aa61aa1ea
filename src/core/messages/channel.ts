import { describe, quote } from '../shared/describe.js';
import { KeyError, OptionsError } from '../shared/errors.js';
import { flag, integer, parseOptions, type Option } from '../shared/option-schema.js';
import { brand } from '../shared/registry.js';
import { escapeText } from '../keys/escape.js';
import { compileTemplate, placeholdersOf, type RenderTemplate } from '../keys/key-template.js';
import type { MessageSubject } from '../ports/message-bus.js';
import { schemaOption, type SchemaInput, type SchemaOutput, type StandardSchema } from '../values/schema.js';

/** What messages can be received of: a channel or a pattern. `Message` is what a handler gets. */
export interface MessageSource<out Message> {
  /** As it was defined: `orders:{0.region}`. */
  readonly name: string;
  /** Only a type. */
  readonly '~message'?: Message;
}

/** A channel. `Input` is what `publish` accepts; a schema may transform it to `Message`. */
export interface MessageChannel<out Message, in Input = Message> extends MessageSource<Message> {
  /** True: its messages pass through one shard of a Redis Cluster. */
  readonly sharded: boolean;
  /** Only a type. */
  readonly '~input'?: (message: Input) => void;
}

/** All channels whose names match. Nothing can be published to it. */
export interface MessagePattern<out Message> extends MessageSource<Message> {
  /** Only a type. */
  readonly '~pattern'?: true;
}

/** The options of `definePattern`, and of `defineChannel`. */
export interface PatternOptions {
  /**
   * A schema of zod, valibot or any other library with the Standard Schema interface. It checks each message before it is
   * sent and after it is received, and may transform it for the handlers. It must validate synchronously.
   * @default none: a message is any value that can be stored
   */
  readonly schema?: StandardSchema | undefined;
  /**
   * The maximum size of an encoded message. A larger one is neither sent nor given to a handler. Redis ends the connection of
   * a subscriber that has 8 MB of messages waiting for a minute, or 32 MB.
   * @default 1048576
   */
  readonly maxBytes?: number | undefined;
}

/** The options of `defineChannel`. */
export interface ChannelOptions extends PatternOptions {
  /**
   * True: in a Redis Cluster (7.0 or newer), messages pass through the one shard that the name belongs to, and not through
   * all nodes. Patterns do not receive them. All processes must agree. On one server it changes nothing else.
   * @default false
   */
  readonly sharded?: boolean | undefined;
}

/** The schema of `PatternOptions`. */
export const patternOptions = {
  schema: schemaOption,
  maxBytes: integer({ min: 1, max: 64 * 1024 * 1024, default: 1024 * 1024, of: 'bytes' }),
} satisfies Record<keyof PatternOptions, Option<unknown>>;

/** The schema of `ChannelOptions`. */
export const channelOptions = {
  ...patternOptions,
  sharded: flag(false),
} satisfies Record<keyof ChannelOptions, Option<unknown>>;

const SOURCE = brand('message source');

/** What is known of a channel or a pattern at run time. */
export class SourceDefinition implements MessageChannel<unknown>, MessagePattern<unknown> {
  readonly name: string;
  readonly sharded: boolean;
  readonly schema: StandardSchema | undefined;
  readonly maxBytes: number;
  /** What a subscription receives. */
  readonly subject: MessageSubject;
  /** Of a channel with placeholders: the names that it can have. */
  readonly #names: RegExp | undefined;
  readonly #render: RenderTemplate | undefined;

  /** @param render of a channel; undefined: it is a pattern */
  constructor(
    name: string,
    subject: MessageSubject,
    { schema, maxBytes = channelOptions.maxBytes.default as number }: PatternOptions,
    render?: RenderTemplate,
    names?: RegExp,
  ) {
    this.name = name;
    this.sharded = subject.kind === 'sharded';
    this.schema = schema;
    this.maxBytes = maxBytes;
    this.subject = subject;
    this.#render = render;
    this.#names = names;
    Object.defineProperty(this, SOURCE, { value: true });
  }

  /** @throws OptionsError for a pattern */
  checkIsChannel(label: string): void {
    if (this.#render !== undefined) return;
    throw new OptionsError(
      `${label} takes a channel, and the pattern ${quote(this.name)} was given. Messages are published to one channel: ` +
        'defineChannel.',
    );
  }

  /**
   * The channel of one message.
   * @throws KeyError if it cannot be built from the message
   */
  channelOf(message: unknown): MessageSubject {
    if (this.#render === undefined || this.#names === undefined) return this.subject;
    const name = this.#render([message]);
    if (!this.#names.test(name)) {
      throw new KeyError(
        `channel ${quote(this.name)}: the name of the channel has more than 256 characters. Use shorter values in its placeholders.`,
      );
    }
    return { kind: 'channel', name };
  }

  /** False for a channel that Redis has taken for one of a channel with placeholders. */
  receives(channel: string): boolean {
    // guard: placeholder-is-one-part-of-a-name
    return this.#names === undefined || this.#names.test(channel);
  }
}

/**
 * Defines a channel: its name, and the type of its messages, as a type argument or by a schema.
 *
 * The name may have placeholders, which are filled from the message: a message `{ region: 'eu' }` to `orders:{0.region}` is
 * published to `orders:eu`. A subscription to such a channel receives all its messages.
 *
 * @param name a fixed name, or a template. In Redis it follows the namespace: `shop:message:user.changed`
 * @throws OptionsError for an invalid name or option
 * @example
 * const userChanged = defineChannel<{ id: string }>('user.changed');
 * const orderPlaced = defineChannel('orders:{0.region}', { schema: z.object({ id: z.string(), region: z.string() }) });
 */
export function defineChannel<S extends StandardSchema>(
  name: string,
  options: ChannelOptions & { readonly schema: S },
): MessageChannel<SchemaOutput<S>, SchemaInput<S>>;
export function defineChannel<Message>(
  name: string,
  options?: ChannelOptions & { readonly schema?: undefined },
): MessageChannel<Message>;
export function defineChannel(name: string, options: ChannelOptions = {}): MessageChannel<unknown> {
  const label = 'defineChannel';
  const { sharded = false, ...rest } = parseOptions(channelOptions, options, label);
  const render = compileTemplate(name, `name of ${label}`);
  if (name.includes('*')) {
    throw new OptionsError(
      `${label}: ${quote(name)} has a '*'. A channel has one name for each message: use a placeholder such as {0.id}, or ` +
        'definePattern to receive the messages of several channels.',
    );
  }
  if (placeholdersOf(name).length === 0) {
    return new SourceDefinition(
      name,
      { kind: sharded ? 'sharded' : 'channel', name: render([]) },
      rest,
      render,
    );
  }
  if (sharded) {
    throw new OptionsError(
      `${label}: ${quote(name)} has a placeholder, and sharded is true. To receive all its messages takes a pattern, and Redis ` +
        'has none for sharded channels. Use a fixed name.',
    );
  }
  const literals = name.split(/\{[^}]*\}/).map(escapeText);
  // A part never contains a ':', because it is escaped there.
  const names = new RegExp(`^${literals.map(escapeRegExp).join('[^:]*')}$`);
  return new SourceDefinition(name, { kind: 'pattern', name: literals.join('*') }, rest, render, names);
}

/**
 * Defines a pattern, to receive the messages of all channels whose names match. `*` is any number of characters, `:` too.
 * The type of the messages is a type argument, or that of a schema. Patterns do not receive sharded channels.
 *
 * @throws OptionsError for an invalid pattern or option
 * @example
 * const anyOrder = definePattern<{ id: string }>('orders:*');
 */
export function definePattern<S extends StandardSchema>(
  pattern: string,
  options: PatternOptions & { readonly schema: S },
): MessagePattern<SchemaOutput<S>>;
export function definePattern<Message>(
  pattern: string,
  options?: PatternOptions & { readonly schema?: undefined },
): MessagePattern<Message>;
export function definePattern(pattern: string, options: PatternOptions = {}): MessagePattern<unknown> {
  const parsed = parseOptions(patternOptions, options, 'definePattern');
  if (typeof pattern !== 'string' || !pattern.includes('*') || /[{}\p{Cc}]/u.test(pattern)) {
    throw new OptionsError(
      `definePattern takes a pattern with '*' and without placeholders, such as 'orders:*', and ${describe(pattern)} was given.`,
    );
  }
  if (pattern.length > 256)
    throw new OptionsError('definePattern takes a pattern of at most 256 characters.');
  const name = pattern.split('*').map(escapeText).join('*');
  return new SourceDefinition(pattern, { kind: 'pattern', name }, parsed);
}

/** @throws OptionsError for anything but what `defineChannel` or `definePattern` of any copy of this package returns */
export function definitionOf(source: MessageSource<unknown>, label: string): SourceDefinition {
  if (typeof source === 'object' && source !== null && SOURCE in source) return source as SourceDefinition;
  throw new OptionsError(
    `${label} takes a channel, such as defineChannel('user.changed'), and ${describe(source)} was given.`,
  );
}

function escapeRegExp(text: string): string {
  return text.replace(/[$()*+./?[\\\]^{|}-]/g, String.raw`\$&`);
}
