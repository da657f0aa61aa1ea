import { Caching } from '../caching.js';
import { describe } from '../shared/describe.js';
import { OptionsError } from '../shared/errors.js';

/**
 * Checks the `Caching` whose store keeps sessions. Another copy of this package may be older than sessions.
 *
 * @throws OptionsError
 */
export function checkCaching(caching: unknown, label: string): void {
  if (!Caching.is(caching)) {
    throw new OptionsError(`caching of ${label} is a Caching, and ${describe(caching)} was given.`);
  }
  if ((caching.backend as Partial<Caching['backend']> | undefined)?.sessions !== undefined) return;
  throw new OptionsError(
    `caching of ${label} has no store for sessions: its adapter, or its copy of cachement, is older. Install one version.`,
  );
}
