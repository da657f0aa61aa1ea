import type { Decision } from './decision.js';
import { milliseconds } from '../duration.js';
import { StoreUnavailableError } from '../errors.js';
import { HeldSlots, type HeldSlot } from './held-slots.js';
import type { LimitCall, Taken } from './limit-call.js';
import { limitExceeded } from './limit-exceeded.js';
import type { LimitJudge } from './limit-judge.js';
import type { ConsumeOptions, RunOptions } from './limit-options.js';
import { LimitWaits } from './limit-waits.js';
import type { Clock } from '../ports.js';
import type { Reporter } from '../reporter.js';

/** Work that runs under a limit: it may wait for room before, holds slots meanwhile, and may give units back after. */
export class LimitRuns {
  readonly #judge: LimitJudge;
  readonly #reporter: Reporter;
  readonly #waits: LimitWaits;
  readonly #slots: HeldSlots;

  constructor(judge: LimitJudge, clock: Clock, reporter: Reporter) {
    this.#judge = judge;
    this.#reporter = reporter;
    this.#waits = new LimitWaits(clock);
    this.#slots = new HeldSlots(clock, reporter, judge.releases);
  }

  /** The decision over a call, after the wait that it asks for; published. */
  async decide(
    call: LimitCall,
    options: ConsumeOptions | undefined,
    enforced: boolean,
    where: string,
  ): Promise<Decision> {
    const decision =
      options?.wait === undefined && options?.signal === undefined
        ? (this.#judge.known(call) ?? (await this.#judge.ask(call)))
        : await this.#wait(call, options, where);
    const { key, method, cost } = call;
    const { rule, allowed, source } = decision;
    this.#reporter.publish('limit', method, { key, rule, allowed, cost, source, enforced });
    return decision;
  }

  async run<T>(call: LimitCall, options: RunOptions, work: () => Promise<T> | T, where: string): Promise<T> {
    if (options.dryRun === true) await this.#tell(call, where);
    else {
      const decision = await this.decide(call, options, true, where);
      if (!decision.allowed) throw limitExceeded(call.key, decision);
    }
    const { taken } = call;
    if (taken === undefined) return work();
    const slot = call.set.slots.length > 0 ? this.#slots.hold(call, taken) : undefined;
    try {
      return await work();
    } catch (error) {
      if (this.#refunds(options.refundOnError, call, error)) await this.#refund(call, taken, slot);
      throw error;
    } finally {
      await slot?.giveBack();
    }
  }

  wake(subject: string): void {
    this.#waits.wake(subject);
  }

  async close(): Promise<void> {
    this.#waits.close();
    await this.#slots.giveAllBack();
    this.#judge.releases.close();
  }

  #wait(call: LimitCall, { wait = 0, signal }: ConsumeOptions, where: string): Promise<Decision> {
    const ms = milliseconds(wait, `wait of ${where}`);
    const ask = async (): Promise<Decision> => this.#judge.known(call) ?? this.#judge.ask(call);
    return this.#waits.untilRoom(call.subject, ms, signal, ask);
  }

  /** What the limit would say, without coming between the caller and his work. */
  async #tell(call: LimitCall, where: string): Promise<void> {
    try {
      await this.decide(call, undefined, false, where);
    } catch (error) {
      // The judge has reported it.
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
  }

  #refunds(choice: RunOptions['refundOnError'], call: LimitCall, error: unknown): boolean {
    try {
      return typeof choice === 'function' ? choice(error) : choice === true;
    } catch (mistake) {
      this.#reporter.error('refundOnError', call, mistake);
      return false;
    }
  }

  /** Slots and all. Never rejects: the caller is owed the error of his work. */
  async #refund(call: LimitCall, { store, request }: Taken, slot: HeldSlot | undefined): Promise<void> {
    slot?.end();
    const { subject, rules, cost, token } = request;
    try {
      await store.refund({ subject, rules, cost, token, quiet: false }, call.policy.budget);
    } catch (error) {
      this.#reporter.error('refund', call, error);
    }
    this.#judge.refusals.drop(subject);
  }
}
