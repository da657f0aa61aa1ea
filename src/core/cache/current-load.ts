import { readDuration, type Duration } from '../shared/duration.js';
import { describe } from '../shared/describe.js';
import { OptionsError } from '../shared/errors.js';
import { normaliseTags } from './tags.js';

/** What a load can decide about its entry. */
export interface EntryDecisions {
  /** How long the value may be returned, 0 ms or more: the ttl of the call at most. 0: it is not stored. */
  readonly ttl?: Duration | undefined;
  /**
   * Tags beside those of the options. The call must have a function `tags`, also if that returns none: the tags of its entries
   * are then known to depend on the load.
   */
  readonly tags?: readonly string[] | undefined;
}

/** The load that runs the current method or loader. */
export interface CurrentLoad {
  /** The logical key. */
  readonly key: string;
  /**
   * Aborts when no call waits for the load any more: all of them have left after `hardTimeout`, or by their own signals; and
   * under `abortOnLostLease`. A load whose calls have got a stale value goes on.
   */
  readonly signal: AbortSignal;
  /**
   * The value that this load is to replace, if the call has `grace` or `refreshAhead` and it was not invalidated. A method that
   * finds that nothing has changed returns it, and so renews it for another ttl.
   */
  readonly stale: { readonly value: unknown } | undefined;
  /** Decides about the entry. A later decision replaces an earlier one. @throws OptionsError */
  set(decisions: EntryDecisions): void;
  /** The value is returned, and not stored. */
  skip(): void;
}

interface Setup {
  readonly key: string;
  readonly signal: () => AbortSignal;
  readonly stale: { readonly value: unknown } | undefined;
  readonly hasResultTags: boolean;
}

/** What the loader of one load sees and decides. */
export class LoadControl implements CurrentLoad {
  /** In ms; undefined: that of the call. */
  ttl: number | undefined;
  tags: readonly string[] = [];
  readonly #setup: Setup;

  constructor(setup: Setup) {
    this.#setup = setup;
  }

  get key(): string {
    return this.#setup.key;
  }

  get signal(): AbortSignal {
    return this.#setup.signal();
  }

  get stale(): { readonly value: unknown } | undefined {
    return this.#setup.stale;
  }

  set({ ttl, tags }: EntryDecisions): void {
    const label = 'currentLoad().set';
    if (ttl !== undefined) {
      const ms = readDuration(ttl, { min: 0 });
      if (ms === undefined) {
        throw new OptionsError(
          `The ttl of ${label} is a duration such as '30s' or 30_000, and ${describe(ttl)} was given.`,
        );
      }
      this.ttl = ms;
    }
    if (tags !== undefined) {
      // guard: tags-of-a-load-need-the-record-of-tag-changes
      if (!this.#setup.hasResultTags) {
        throw new OptionsError(
          `${label} sets tags, and the call has no function tags. Give it one, so that an invalidation during the load is seen: ` +
            'tags: () => [].',
        );
      }
      this.tags = normaliseTags(tags, label);
    }
  }

  skip(): void {
    this.ttl = 0;
  }
}
