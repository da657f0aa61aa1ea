import type { Redis } from 'ioredis';
import { eventually } from '../../support/eventually.js';
import { knowsReplica } from '../../support/redis-sentinel.js';
import type { RedisServer, SentinelSetup } from '../../support/servers.js';
import { now } from './calls.js';
import {
  adminOf,
  flush,
  killMaster,
  replicatedUntil,
  untilInStep,
  type Loss,
  type Operator,
} from './operator.js';

/** Longer than a failover by hand takes. */
const PAUSE_MS = 5_000;
/** How long the clients of the old primary may need until they have switched. */
const SWITCH_MS = 1_000;

/** Does to a primary behind sentinels what its operator does, and what happens to it. */
export class SentinelOperator implements Operator {
  losses: Loss[] = [];
  #knownAt = now();
  readonly #setup: SentinelSetup;
  readonly #wait: (ms: number) => Promise<unknown>;
  #primary: RedisServer;
  #replica: RedisServer;

  constructor(setup: SentinelSetup, wait: (ms: number) => Promise<unknown>) {
    this.#setup = setup;
    this.#wait = wait;
    this.#primary = setup.primary;
    this.#replica = setup.replica;
  }

  /** Removes what an earlier run has left. */
  async flush(): Promise<void> {
    await this.settle();
    await flush([this.#primary]);
    this.losses = [];
  }

  /**
   * Lets the replica take over: SENTINEL FAILOVER. Redis tells nobody to stop meanwhile, so the old primary goes on
   * confirming writes that are lost.
   *
   * @param pausing the operator has the old primary hold back writes first
   */
  async failOver(pausing: boolean): Promise<void> {
    await this.settle();
    const old = adminOf(this.#primary);
    const sentinel = adminOf(this.#setup.sentinel);
    try {
      if (pausing) {
        await old.call('CLIENT', 'PAUSE', String(PAUSE_MS), 'WRITE');
        await replicatedUntil(this.#primary, this.#replica);
      }
      const from = now();
      await sentinel.call('SENTINEL', 'FAILOVER', this.#setup.name);
      await this.#untilSwitched();
      this.#swap();
      await this.#wait(SWITCH_MS);
      if (pausing) return;
      this.losses.push({ from, to: now(), shownFrom: from, inStep: false, covers: () => true });
      await this.settle();
    } finally {
      for (const client of [old, sentinel]) client.disconnect();
    }
  }

  /** Kills the primary, waits until its replica has taken over, and starts it again. @param alone as in `killMaster` */
  async kill(alone: boolean): Promise<void> {
    await this.settle();
    const span = await killMaster(this.#primary, this.#replica, alone, this.#wait);
    await this.#untilSwitched();
    await this.#primary.restart();
    // A sentinel would do that, after eight seconds or more.
    const restarted = adminOf(this.#primary);
    await restarted.replicaof(this.#replica.host, this.#replica.port);
    restarted.disconnect();
    this.#swap();
    this.losses.push({ ...span, covers: () => true });
  }

  /** The old primary has become a replica that is in step, and all sentinels know. A sentinel takes some eight seconds to begin. */
  async settle(): Promise<void> {
    await this.notice();
    await untilInStep(this.#replica);
    await this.#askSentinels('know the replica', async (sentinels) =>
      (await Promise.all(sentinels.map(knowsReplica))).every(Boolean),
    );
    this.#knownAt = now();
  }

  async notice(): Promise<void> {
    if (!(await this.#hasSwitched())) return;
    this.#swap();
    const from = this.#knownAt;
    this.losses.push({ from, to: now(), shownFrom: from, inStep: false, covers: () => true });
  }

  /** True if the sentinels have made the replica the primary by themselves. */
  async #hasSwitched(): Promise<boolean> {
    const sentinel = adminOf(this.#setup.sentinel);
    const address = await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.#setup.name);
    sentinel.disconnect();
    return (address as string[])[1] === String(this.#replica.port);
  }

  #swap(): void {
    [this.#primary, this.#replica] = [this.#replica, this.#primary];
    this.#knownAt = now();
  }

  async #untilSwitched(): Promise<void> {
    const port = String(this.#replica.port);
    await this.#askSentinels('name the replica', async (sentinels) => {
      const named = await Promise.all(
        sentinels.map((one) => one.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.#setup.name)),
      );
      return named.every((address) => (address as string[])[1] === port);
    });
  }

  async #askSentinels(what: string, ask: (sentinels: readonly Redis[]) => Promise<boolean>): Promise<void> {
    const clients = this.#setup.sentinels.map(({ host, port }) =>
      adminOf({ url: `redis://${host}:${port}` }),
    );
    try {
      await eventually(`all sentinels ${what}`, () => ask(clients), 40_000);
    } finally {
      for (const client of clients) client.disconnect();
    }
  }
}
