import type { SingleTarget } from './target.js';

export interface BackendSettings {
  /** In ms. */
  readonly timeout: number;
  /** In ms. */
  readonly connectTimeout: number;
  /** Independent servers that locks stand on; undefined: they stand on the target. */
  readonly lockServers: readonly SingleTarget[] | undefined;
}
