/** The value of `Cache-Status` (RFC 9211): whether a response is from the cache, and why not. */
export function cacheStatus(
  status:
    | { readonly ttl: number }
    | { readonly fwd: 'bypass' | 'miss'; readonly detail?: string; readonly stored?: boolean },
): string {
  if ('ttl' in status) return `cachement; hit; ttl=${status.ttl}`;
  const stored = status.stored === true ? '; stored' : '';
  const detail =
    status.detail === undefined ? '' : `; detail="${status.detail.replace(/[^ !#-[\]-~]/g, '?')}"`;
  return `cachement; fwd=${status.fwd}${stored}${detail}`;
}
