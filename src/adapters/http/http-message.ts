/** Header fields by lower-case name. A list is several fields of one name. */
export type HeaderFields = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The status and the headers of a response. */
export interface ResponseHead {
  /** 100 to 599. */
  readonly status: number;
  readonly headers: HeaderFields;
}

/** A response that is there as a whole. */
export interface WholeResponse extends ResponseHead {
  readonly body: Uint8Array;
}

/** A request, as the adapter of a framework describes it. */
export interface CacheableRequest {
  readonly method: string;
  /** Scheme and authority, such as `https://shop.example`, with the proxies that the framework trusts. */
  readonly origin: string;
  /** Path and query as the client has sent them: `/users?page=2`. */
  readonly target: string;
  readonly headers: HeaderFields;
  /** What the framework knows about the caller: the name of it (`user`, `session`), or undefined. May change meanwhile. */
  identifiedBy(): string | undefined;
}

/** The value of a header as one text; undefined if it is not there. */
export function field(headers: HeaderFields, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' || value === undefined ? value : value.join(', ');
}

/** The names in a header that is a list of names, in lower case: `Vary`, `Connection`. */
export function names(header: string | undefined): readonly string[] {
  if (header === undefined) return [];
  return header
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** Header fields as Node.js has them: numbers become text, names lower case. */
export function toFields(headers: Readonly<Record<string, unknown>>): HeaderFields {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name.toLowerCase(), Array.isArray(value) ? value.map(String) : String(value)]),
  );
}

/** The fields that were added or changed since: those of the handler, not those of what runs before it. */
export function changedFields(before: HeaderFields, after: HeaderFields): HeaderFields {
  return Object.fromEntries(
    Object.entries(after).filter(([name, value]) => String(before[name]) !== String(value)),
  );
}
