import 'reflect-metadata';
import test from 'ava';
import { container, injectable } from 'tsyringe';
import { defineQueue, jobs, Processes } from '../../../src/adapters/bullmq/index.js';
import { memory } from '../../../src/adapters/memory/index.js';
import { registerCaching } from '../../../src/adapters/tsyringe/index.js';
import { bindCaching, Caching, StoreSetupError } from '../../../src/index.js';
import { eventually } from '../../support/eventually.js';
import { redisForFile } from '../../support/servers.js';
import { cachingWithJobs } from '../bullmq/jobs-rig.js';

const emails = defineQueue<string>('emails');
const redis = redisForFile(test);

function mailer() {
  class Outbox {
    readonly sent: string[] = [];
  }
  @injectable()
  class Mailer {
    constructor(readonly outbox: Outbox) {}

    @Processes(emails)
    async send(to: string): Promise<void> {
      this.outbox.sent.push(to);
    }
  }
  return { Outbox, Mailer };
}

test('an instance that the container makes has its workers, one instance of its class', async (t) => {
  const { Outbox, Mailer } = mailer();
  const warnings: string[] = [];
  const onWarning = (warning: Error & { code?: string }): void => {
    if (warning.code === 'CACHEMENT_SECOND_WORKER') warnings.push(warning.message);
  };
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  const caching = cachingWithJobs(t, redis().url);
  const parent = container.createChildContainer();
  registerCaching(parent, caching);
  parent.registerSingleton(Outbox);
  const child = parent.createChildContainer();
  const first = child.resolve(Mailer);
  // Transient: another one.
  parent.resolve(Mailer);
  const queue = jobs(caching).queue(emails);
  await jobs(caching).add(emails, 'ada');
  await eventually('processed', async () => (await queue.getCompletedCount()) === 1);
  t.deepEqual(first.outbox.sent, ['ada']);
  t.is((await queue.getWorkers()).length, 1);
  await eventually('warned', () => warnings.length === 1);
  t.regex(
    warnings[0]!,
    /a second Mailer, which has methods with @Processes.*startWorkers\(caching, instance\)/,
  );
});

test('bindCaching starts workers too', async (t) => {
  const { Outbox, Mailer } = mailer();
  const caching = cachingWithJobs(t, redis().url);
  const outbox = new Outbox();
  bindCaching(new Mailer(outbox), caching);
  await jobs(caching).add(emails, 'ada');
  await eventually('processed', () => outbox.sent.length === 1);
  t.pass();
});

test('a container whose Caching has no Redis refuses to make an instance with @Processes', (t) => {
  const { Mailer } = mailer();
  const parent = container.createChildContainer();
  registerCaching(parent, new Caching({ adapter: memory(), namespace: 'memory' }));
  t.throws(() => parent.resolve(Mailer), {
    instanceOf: StoreSetupError,
    message: /jobs\(caching\) needs Redis/,
  });
  for (const caching of [
    new Caching({ adapter: memory(), enabled: false }),
    new Caching({ adapter: memory() }),
  ]) {
    if (caching.enabled) jobs(caching, { workers: false });
    const other = container.createChildContainer();
    registerCaching(other, caching);
    t.true(other.resolve(Mailer) instanceof Mailer);
  }
});
