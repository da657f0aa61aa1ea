/** The directives of a `Cache-Control` header by lower-case name. The value of one without `=` is the empty text. */
export type CacheControl = ReadonlyMap<string, string>;

/** Parses the header (RFC 9111, section 5.2). The first of two equal directives counts. */
export function parseCacheControl(header: string): CacheControl {
  const directives = new Map<string, string>();
  for (const [, name = '', quoted, token] of header.matchAll(
    /([^\s,;=]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,;]*)))?/g,
  )) {
    const key = name.toLowerCase();
    if (!directives.has(key)) directives.set(key, quoted ?? token ?? '');
  }
  return directives;
}

/** A directive in seconds; undefined if it is not there, 0 if it is not a number: such a response is stale. */
export function secondsOf(directives: CacheControl, name: string): number | undefined {
  const value = directives.get(name);
  if (value === undefined) return undefined;
  return /^\d+$/.test(value) ? Number(value) : 0;
}
