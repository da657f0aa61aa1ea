import { nodeCrypto } from '../../core/shared/builtin-modules.js';
import { field, type HeaderFields, type ResponseHead } from './http-message.js';

/** A strong validator: responses with equal bytes have equal tags. */
export function strongETag(body: Uint8Array): string {
  return `"${nodeCrypto().createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
}

/**
 * True if the client has this response already (RFC 9110, section 13.2.2): `If-None-Match` has its `ETag`, compared
 * weakly; without `If-None-Match`, it was not modified since `If-Modified-Since`.
 */
export function isNotModified(request: HeaderFields, { status, headers }: ResponseHead): boolean {
  if (status !== 200) return false;
  const known = field(request, 'if-none-match');
  if (known !== undefined) {
    const tag = field(headers, 'etag');
    if (known.trim() === '*') return true;
    return tag !== undefined && tagsIn(known).includes(opaque(tag));
  }
  const since = Date.parse(field(request, 'if-modified-since') ?? '');
  const modified = Date.parse(field(headers, 'last-modified') ?? '');
  return modified <= since;
}

/** Tags may contain commas. */
function tagsIn(header: string): readonly string[] {
  return (header.match(/(?:W\/)?"[^"]*"/g) ?? []).map(opaque);
}

function opaque(tag: string): string {
  return tag.replace(/^W\//, '');
}
