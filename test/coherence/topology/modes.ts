/** The coherence of an L1, or none. Each has a `Caching` and a namespace of its own. */
export const MODES = ['none', 'bus', 'tracking', 'validate'] as const;
export type Mode = (typeof MODES)[number];

export function namespaceOf(mode: Mode): string {
  return `l1-${mode}`;
}
