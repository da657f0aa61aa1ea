import { types } from 'node:util';
import { describe, quote } from '../../core/shared/describe.js';
import { ValueError } from '../../core/shared/errors.js';
import { SchemaRejection, validateBy } from '../../core/values/schema.js';
import type { QueueDefinition } from './queue.js';

/**
 * Checks the data of a job before it is enqueued: what the worker will get is what JSON makes of it.
 *
 * @throws ValueError for data that the schema rejects, or without a schema, that JSON does not keep equal
 */
export function checkData(queue: QueueDefinition, data: unknown): void {
  let text: string | undefined;
  try {
    // guard: data-that-json-changes-is-refused
    text = queue.schema === undefined ? JSON.stringify(data, keepEqual) : JSON.stringify(data);
  } catch (cause) {
    const why = cause instanceof ChangedByJson ? cause.message : `JSON.stringify failed: ${String(cause)}`;
    throw new ValueError(
      `Expected data for queue ${quote(queue.name)} that JSON keeps equal: ${why}. Nothing was enqueued.`,
      'unsupported',
      { cause },
    );
  }
  if (text === undefined) {
    throw new ValueError(
      `Expected data for queue ${quote(queue.name)} that JSON can hold, and ${describe(data)} was given. Pass null or {} ` +
        'if a job needs no data. Nothing was enqueued.',
      'unsupported',
    );
  }
  // guard: data-that-the-schema-rejects-is-not-enqueued
  if (queue.schema !== undefined) readData(queue, JSON.parse(text), 'Nothing was enqueued.');
}

/**
 * The data of a stored job, as the schema returns it.
 *
 * @param consequence the end of the message of the error
 * @throws ValueError for data that the schema rejects
 */
export function readData({ name, schema }: QueueDefinition, stored: unknown, consequence: string): unknown {
  if (schema === undefined) return stored;
  try {
    return validateBy(schema, stored);
  } catch (error) {
    if (!(error instanceof SchemaRejection)) throw error;
    throw new ValueError(
      `Expected data that the schema of queue ${quote(name)} accepts: ${error.message}. ${consequence}`,
      'rejected',
      { cause: error },
    );
  }
}

class ChangedByJson extends Error {}

/** A replacer of JSON.stringify that refuses what would come back as something else. `this` holds the value. */
function keepEqual(this: unknown, key: string, value: unknown): unknown {
  // `value` is what `toJSON` has returned.
  const original = (this as Record<string, unknown>)[key];
  const change = changeOf(original, Array.isArray(this));
  if (change === undefined) return value;
  throw new ChangedByJson(`${key === '' ? 'it' : quote(key)} is ${describe(original)}, ${change}`);
}

function changeOf(value: unknown, isInArray: boolean): string | undefined {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? undefined : 'which comes back as null';
    case 'bigint':
      return 'which JSON cannot hold; pass a string';
    case 'undefined':
      return isInArray ? 'which comes back as null' : undefined;
    case 'function':
    case 'symbol':
      return 'which JSON leaves out';
    case 'object':
      break;
    default:
      return undefined;
  }
  if (value === null || Array.isArray(value)) return undefined;
  if (types.isDate(value))
    return 'which comes back as a string; pass toISOString() of it, or give the queue a schema';
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isPlain ? undefined : 'which comes back without its class; pass its data';
}
