import type { Redis } from 'ioredis';
import { slotOf } from '../../../src/adapters/ioredis/commands/cluster-slot.js';
import { eventually } from '../../support/eventually.js';
import type { RedisCluster, RedisServer } from '../../support/servers.js';
import { now } from './calls.js';
import { adminOf, flush, info, isInStep, killMaster, type Loss, type Operator } from './operator.js';

interface Node {
  readonly server: RedisServer;
  readonly admin: Redis;
  readonly id: string;
}

interface Master extends Node {
  /** The first and the last slot of each range. */
  readonly slots: readonly (readonly [number, number])[];
  readonly replicas: readonly Node[];
}

/** `[first, last, [host, port, id, ...], ...]`: the master, and its replicas. */
type SlotRange = [number, number, Address, ...Address[]];
type Address = [string, number, string, ...unknown[]];

/** Does to a Cluster what its operator does, and what happens to it. */
export class ClusterOperator implements Operator {
  losses: Loss[] = [];
  /** The masters as of the last time, and when that was. */
  #known: readonly Master[] = [];
  #knownAt = Number.NaN;
  readonly #nodes: readonly Node[];
  readonly #wait: (ms: number) => Promise<unknown>;

  private constructor(nodes: readonly Node[], wait: (ms: number) => Promise<unknown>) {
    this.#nodes = nodes;
    this.#wait = wait;
  }

  static async of(
    { servers, replicas }: RedisCluster,
    wait: (ms: number) => Promise<unknown>,
  ): Promise<ClusterOperator> {
    const nodes = [...servers, ...replicas].map(async (server) => {
      const admin = adminOf(server);
      return { server, admin, id: String(await admin.call('CLUSTER', 'MYID')) };
    });
    return new ClusterOperator(await Promise.all(nodes), wait);
  }

  /** Removes what an earlier run has left. */
  async flush(): Promise<void> {
    await this.settle();
    await flush(this.#nodes.map(({ server }) => server));
    this.losses = [];
  }

  /** Lets a replica of a random master take over, as an operator does it: CLUSTER FAILOVER. */
  async failOver(): Promise<void> {
    const { replica } = pick(await this.#pairs());
    await replica.admin.call('CLUSTER', 'FAILOVER');
    await eventually('the replica has taken over', async () => {
      return (await this.#agreed()).some(({ id }) => id === replica.id);
    });
    await this.#know();
  }

  /** Moves the slot of this key to another master, a key at a time, while it is used. */
  async move(key: string): Promise<void> {
    const slot = String(slotOf(key));
    await this.settle();
    const masters = this.#known;
    const source = masters.find((master) => has(master, Number(slot)))!;
    const target = pick(masters.filter((master) => master !== source));
    await target.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source.id);
    await source.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.id);
    // New keys are created at the target now, and a command with keys on both masters is told to try again.
    await this.#wait(20);
    const { host, port } = target.server;
    for (;;) {
      const [key] = (await source.admin.call('CLUSTER', 'GETKEYSINSLOT', slot, '1')) as string[];
      if (key === undefined) break;
      await source.admin.call('MIGRATE', host, String(port), key, '0', '5000');
      await this.#wait(3);
    }
    await this.#wait(20);
    await target.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', target.id);
    await source.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', target.id);
    await eventually('all nodes know who has the slot', async () => {
      return (await this.#agreed()).some((master) => master.id === target.id && has(master, Number(slot)));
    });
    await this.#know();
  }

  /**
   * Kills the master of this key, waits until its replica has taken over, and starts it again.
   *
   * @param alone the master loses its replica first
   */
  async kill(key: string, alone: boolean): Promise<void> {
    const slot = slotOf(key);
    const { master, replica } = (await this.#pairs()).find((pair) => has(pair.master, slot))!;
    const { slots } = master;
    const span = await killMaster(master.server, replica.server, alone, this.#wait);
    await eventually('a replica has taken over', async () => {
      return (await this.#agreed(master)).some(({ id }) => id === replica.id);
    });
    this.losses.push({ ...span, covers: (record) => has({ slots }, slotOf(record)) });
    await this.#know(master);
    await master.server.restart();
  }

  /** Every master has a replica again that is in step. */
  async settle(): Promise<void> {
    await eventually('every master has its replica', async () => {
      const masters = await this.#agreed();
      const replicas = masters.flatMap((master) => master.replicas);
      if (replicas.length < this.#nodes.length / 2) return false;
      return (await Promise.all(replicas.map(({ admin }) => isInStep(admin).catch(() => false)))).every(
        Boolean,
      );
    });
    await this.notice();
  }

  async notice(): Promise<void> {
    const before = { masters: this.#known, at: this.#knownAt };
    await this.#know();
    const deposed = before.masters.filter(({ id }) => !this.#known.some((master) => master.id === id));
    if (deposed.length === 0) return;
    const covers = (record: string): boolean => deposed.some((master) => has(master, slotOf(record)));
    this.losses.push({ from: before.at, to: this.#knownAt, shownFrom: before.at, inStep: false, covers });
  }

  /** How often the nodes have replied with each of these errors, since their start. */
  async redirections(): Promise<Readonly<Record<string, number>>> {
    const sum: Record<string, number> = { MOVED: 0, ASK: 0, TRYAGAIN: 0 };
    for (const { admin } of this.#nodes) {
      const stats = await info(admin, 'errorstats');
      for (const name of Object.keys(sum)) {
        sum[name]! += Number(/count=(\d+)/.exec(stats.get(`errorstat_${name}`) ?? '')?.[1] ?? 0);
      }
    }
    return sum;
  }

  close(): void {
    for (const { admin } of this.#nodes) admin.disconnect();
  }

  async #pairs(): Promise<{ readonly master: Master; readonly replica: Node }[]> {
    await this.settle();
    return this.#known.map((master) => ({ master, replica: master.replicas[0]! }));
  }

  async #know(away?: Node): Promise<void> {
    this.#known = await this.#agreed(away);
    this.#knownAt = now();
  }

  /** The masters, when all nodes but `away` say the same. */
  async #agreed(away?: Node): Promise<readonly Master[]> {
    return eventually('all nodes agree on the slots', async () => {
      const nodes = this.#nodes.filter((node) => node.id !== away?.id);
      const views = await Promise.all(nodes.map(({ admin }) => this.#view(admin).catch(() => undefined)));
      const texts = new Set(views.map((view) => JSON.stringify(view?.map(({ id, slots }) => [id, slots]))));
      return texts.size === 1 && views[0];
    });
  }

  async #view(admin: Redis): Promise<readonly Master[]> {
    const ranges = (await admin.call('CLUSTER', 'SLOTS')) as SlotRange[];
    const masters = new Map<string, { slots: [number, number][]; replicas: Set<string> }>();
    for (const [first, last, [, , id], ...replicas] of ranges) {
      const master = masters.get(id) ?? { slots: [], replicas: new Set<string>() };
      master.slots.push([first, last]);
      for (const replica of replicas) master.replicas.add(replica[2]);
      masters.set(id, master);
    }
    const nodeOf = (id: string): Node => this.#nodes.find((node) => node.id === id)!;
    return [...masters]
      .map(([id, { slots, replicas }]) => ({
        ...nodeOf(id),
        slots: slots.sort(([a], [b]) => a - b),
        replicas: [...replicas].map(nodeOf),
      }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

function has({ slots }: Pick<Master, 'slots'>, slot: number): boolean {
  return slots.some(([first, last]) => first <= slot && slot <= last);
}

function pick<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)]!;
}
