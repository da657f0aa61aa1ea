import { StoreSetupError } from '../../../core/errors.js';
import type { Host } from '../../../core/ports.js';
import type { BackendSettings } from '../backend-settings.js';
import { Link } from '../link.js';
import { majorityOf } from './majority.js';
import { MajorityWakes } from './majority-wakes.js';
import type { SingleTarget } from '../target.js';

/** Independent servers that locks stand on: a majority of them decides. */
export class LockServers {
  readonly links: readonly Link[];
  readonly #namespace: string;
  readonly #wakes: MajorityWakes;

  constructor(
    targets: readonly SingleTarget[],
    { timeout, connectTimeout }: Omit<BackendSettings, 'lockServers'>,
    { namespace, clock, wake }: Host,
  ) {
    this.#namespace = namespace;
    this.#wakes = new MajorityWakes(clock, targets.length, majorityOf(targets.length), wake);
    // That one of them is away is what the others are for: calls tell when they are too few.
    const settings = { clock, namespace, timeout, connectTimeout, changed: () => {} };
    this.links = targets.map(
      (target, server) => new Link(target, 'locks', settings, (name) => this.#wakes.heard(server, name)),
    );
  }

  open(): void {
    for (const link of this.links) link.open();
  }

  /** Resolves when a majority can be used. @throws StoreSetupError */
  async ready(): Promise<void> {
    const count = this.links.length;
    const needed = majorityOf(count);
    const reasons: string[] = [];
    let usable = 0;
    await new Promise<void>((resolve, reject) => {
      for (const link of this.links) {
        link.check().then(
          () => {
            usable += 1;
            if (usable === needed) resolve();
          },
          (error: Error) => {
            reasons.push(error.message);
            if (reasons.length !== count - needed + 1) return;
            reject(
              new StoreSetupError(
                `Of the ${count} lock servers of namespace '${this.#namespace}' ${needed} are needed, and ` +
                  `${reasons.length} cannot be used: ${reasons.join(' ')}`,
                { cause: error },
              ),
            );
          },
        );
      }
    });
  }

  async close(): Promise<void> {
    this.#wakes.close();
    await Promise.all(this.links.map((link) => link.close()));
  }
}
