import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually.js';
import { startRedis } from '../../support/servers.js';
import { startWorker, type Worker } from '../../support/process.js';
import { checkLockHistory, type EndedBody, type LockVerdict } from './check-lock-history.js';
import { FencedCounter, type Fence } from './fenced-counter.js';
import type { LockHistoryCalls, LockHistoryInit, WorkerReport } from './lock-history-worker.js';
import { planDisturbances, type Disturbance, type DisturbancePlan } from './plan-disturbances.js';
import { seededRandom } from './seeded-random.js';

export interface LockHistoryOptions extends DisturbancePlan {
  readonly increments: number;
  readonly processes: number;
  readonly locked: boolean;
  readonly fence: Fence;
  readonly fair?: boolean;
  readonly leaseMs: number;
  readonly seed: number;
}

export interface LockRun extends LockVerdict, WorkerReport {
  readonly value: number;
  readonly kills: number;
  readonly pauses: number;
  readonly ms: number;
}

/** Long enough for what was on its way when a worker was stopped. */
const DRAIN_MS = 15;
const LIMIT_MS = 10 * 60_000;

/**
 * So many processes increment a counter on a Redis of its own, each read and write under the lock, while some of
 * them are killed and replaced, or stopped for a while. Then the resource's own log is judged.
 */
export async function runLockHistory(options: LockHistoryOptions): Promise<LockRun> {
  const [locks, resource] = await Promise.all([startRedis(), startRedis()]);
  const counter = new FencedCounter(resource.url, options.fence);
  const fleet = new Fleet(options, locks.url, resource.url);
  try {
    const begun = performance.now();
    await fleet.start();
    const reports = await fleet.run();
    const ms = performance.now() - begun;
    const [value, log] = await Promise.all([counter.value(), counter.log()]);
    return {
      ...checkLockHistory({ value, log, ended: fleet.ended, killed: fleet.killed }),
      value,
      notObtained: sum(reports.map(({ notObtained }) => notObtained)),
      unavailable: sum(reports.map(({ unavailable }) => unavailable)),
      kills: fleet.killed.size,
      pauses: fleet.pauses,
      ms,
    };
  } finally {
    await fleet.stop();
    counter.close();
    await Promise.all([locks.stop(), resource.stop()]);
  }
}

interface Member {
  readonly number: number;
  readonly worker: Worker<LockHistoryCalls>;
  /** The bodies that its callers run, and whether they have come to their write. */
  readonly bodies: Map<string, 'begun' | 'writing'>;
  disturbed: boolean;
}

/** The processes, and what is done to them. */
class Fleet {
  readonly ended: EndedBody[] = [];
  readonly killed = new Map<number, bigint>();
  pauses = 0;
  readonly #options: LockHistoryOptions;
  readonly #lockUrl: string;
  readonly #resourceUrl: string;
  readonly #disturbances: readonly Disturbance[];
  /** Pauses and replacements: several at a time. */
  readonly #underWay: Promise<void>[] = [];
  #members: Member[] = [];
  #started = 0;
  #acknowledged = 0;
  #failure: string | undefined;

  constructor(options: LockHistoryOptions, lockUrl: string, resourceUrl: string) {
    this.#options = options;
    this.#lockUrl = lockUrl;
    this.#resourceUrl = resourceUrl;
    const { increments, leaseMs, seed } = options;
    this.#disturbances = planDisturbances(options, increments, leaseMs, seededRandom(seed));
  }

  async start(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.processes }, () => this.#add()));
  }

  /** Lets them work until there are enough increments and everything was done to them. */
  async run(): Promise<WorkerReport[]> {
    await Promise.all(this.#members.map(({ worker }) => worker.call('start')));
    for (const disturbance of this.#disturbances) {
      await this.#reach(disturbance.after);
      await this.#disturb(disturbance);
    }
    await Promise.all(this.#underWay);
    await this.#reach(this.#options.increments);
    return Promise.all(this.#members.map(({ worker }) => worker.call('finish')));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map(({ worker }) => worker.kill()));
  }

  async #add(): Promise<Member> {
    const { locked, fence, fair = false, leaseMs, seed } = this.#options;
    const number = (this.#started += 1);
    const init: LockHistoryInit = {
      worker: number,
      lockUrl: this.#lockUrl,
      resourceUrl: this.#resourceUrl,
      locked,
      fence,
      fair,
      leaseMs,
      callers: 2,
      seed: seed + number,
    };
    const worker = await startWorker<LockHistoryCalls>(
      new URL('lock-history-worker.js', import.meta.url),
      init,
    );
    const member: Member = { number, worker, bodies: new Map(), disturbed: false };
    worker.on('begun', (attempt) => member.bodies.set(attempt as string, 'begun'));
    worker.on('writing', (attempt) => member.bodies.set(attempt as string, 'writing'));
    worker.on('ended', (said) => {
      const body = said as EndedBody;
      member.bodies.delete(body.attempt);
      this.ended.push(body);
      if (body.acknowledged) this.#acknowledged += 1;
    });
    worker.on('failed', (error) => (this.#failure = `Worker ${number}: ${String(error)}`));
    this.#members.push(member);
    return member;
  }

  async #reach(increments: number): Promise<void> {
    const what = `${increments} increments, and there are ${this.#acknowledged}`;
    await eventually(what, () => this.#failure !== undefined || this.#acknowledged >= increments, LIMIT_MS);
    if (this.#failure !== undefined) throw new Error(this.#failure);
  }

  /** Begins it; it ends by itself, and is then one of `#underWay`. */
  async #disturb(disturbance: Disturbance): Promise<void> {
    if (disturbance.what === 'kill') {
      this.#underWay.push(this.#replace(await this.#choose(disturbance)));
      return;
    }
    for (;;) {
      const member = await this.#choose(disturbance);
      const bodies = [...member.bodies.keys()];
      member.disturbed = true;
      member.worker.pause();
      await delay(DRAIN_MS);
      if (!disturbance.inBody || bodies.some((attempt) => member.bodies.get(attempt) === 'begun')) {
        this.pauses += 1;
        this.#underWay.push(this.#resume(member, disturbance.ms - DRAIN_MS));
        return;
      }
      // Its write was on its way before it was stopped.
      await this.#resume(member, 0);
    }
  }

  async #choose({ inBody, pick }: Disturbance): Promise<Member> {
    return eventually('a worker to disturb', () => {
      const able = this.#members.filter(
        ({ disturbed, bodies }) => !disturbed && (!inBody || bodies.size > 0),
      );
      return able[Math.floor(pick * able.length)];
    });
  }

  async #resume(member: Member, ms: number): Promise<void> {
    await delay(Math.max(0, ms));
    member.worker.resume();
    member.disturbed = false;
  }

  async #replace(member: Member): Promise<void> {
    member.disturbed = true;
    this.killed.set(member.number, process.hrtime.bigint());
    await member.worker.kill();
    this.#members = this.#members.filter((other) => other !== member);
    const { worker } = await this.#add();
    await worker.call('start');
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
