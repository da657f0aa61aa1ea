import { types } from 'node:util';
import { OptionsError } from '../shared/errors.js';
import { custom, type Option } from '../shared/option-schema.js';

/**
 * A schema by the [Standard Schema](https://standardschema.dev) interface, version 1, which zod, valibot, ArkType and others
 * implement. It must validate synchronously.
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

/** What a schema makes of a value. */
export type SchemaOutput<S> = S extends StandardSchema<infer Output> ? Output : never;
/** What a schema accepts, if it says so. */
export type SchemaInput<S> = S extends { readonly '~standard': { readonly types?: infer Types } }
  ? NonNullable<Types> extends { readonly input: infer Input }
    ? Input
    : unknown
  : unknown;

type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema has found wrong with a value. */
export class SchemaRejection extends Error {}

/**
 * The output of the schema.
 *
 * @throws SchemaRejection for a value that it rejects
 * @throws OptionsError for a schema that returns a promise: it could not be used for values in memory
 */
export function validateBy({ '~standard': schema }: StandardSchema, value: unknown): unknown {
  const result = schema.validate(value);
  if (types.isPromise(result)) {
    result.catch(() => {});
    throw new OptionsError(
      `schema is one that validates synchronously, and this one (${schema.vendor}) returns a promise. ` +
        'Check what needs a promise in the method.',
    );
  }
  if (result.issues !== undefined) throw new SchemaRejection(describeIssues(result.issues));
  return (result as { readonly value: unknown }).value;
}

/** The option `schema`. */
export const schemaOption: Option<StandardSchema | undefined> = custom(
  'a schema with the Standard Schema interface, such as of zod or valibot',
  (value) => (isStandardSchema(value) ? value : undefined),
  undefined,
);

function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard = (value as Partial<StandardSchema>)['~standard'];
  return typeof standard?.validate === 'function';
}

function describeIssues(issues: readonly SchemaIssue[]): string {
  const shown = issues.slice(0, 3).map(({ message, path = [] }) => {
    const steps = path.map((step) => String(typeof step === 'object' ? step.key : step));
    return steps.length === 0 ? message : `${steps.join('.')}: ${message}`;
  });
  return shown.join('; ') + (issues.length > shown.length ? '; ...' : '');
}
