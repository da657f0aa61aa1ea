import assert from 'node:assert/strict';
import * as cachement from 'cachement';
import { bindCaching, Cached, Caching, Locked, useContainer, withCaching } from 'cachement';
import { memory } from 'cachement/memory';
import * as reports from 'reports';
import * as invoices from './invoices.cjs';

// Three copies: this ES module's, the CommonJS module's, and the other version's.
const copies = { reports: reports.cachement, invoices: invoices.cachement };
for (const copy of Object.values(copies)) assert.notEqual(copy.Caching, Caching);
assert.notEqual(copies.reports.Caching, copies.invoices.Caching);

const defaults = { storeTimeout: '10s' } as const; // The machine may be busy: no call is to give up its store.
const newCaching = (namespace: string) => new Caching({ adapter: memory(), namespace, defaults });
const services = () => [new reports.Reports(), new invoices.Invoices()] as const;
const holds = (caching: Caching) =>
  Promise.all([caching.cache.has('report:1'), caching.cache.has('invoice:1')]);

/** Versions are one at run time; to the compiler, the class of each is a type of its own. */
const foreign = (caching: Caching) => caching as never;

async function check(name: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    console.log(`${name}: ok`);
  } catch (error) {
    console.log(`${name}: ${(error as Error).message}`);
  } finally {
    Caching.setDefault(undefined);
    useContainer(undefined);
  }
}

async function servedBy(caching: Caching): Promise<void> {
  for (const service of services()) {
    await service.find('1');
    await service.find('1');
    assert.equal(service.loads, 1);
  }
  assert.deepEqual(await holds(caching), [true, true]);
}

await check('the default', async () => {
  const caching = newCaching('default');
  Caching.setDefault(caching);
  for (const copy of Object.values(copies)) assert.equal(copy.Caching.getDefault(), caching);
  await servedBy(caching);
});

await check('useContainer', async () => {
  for (const token of [Caching, copies.reports.Caching, copies.invoices.Caching]) {
    const caching = newCaching('container');
    useContainer({
      isRegistered: (asked) => asked === token,
      get: (asked) => (asked === token ? caching : undefined),
    });
    await servedBy(caching);
  }
});

await check('bindCaching', async () => {
  const caching = newCaching('bound');
  for (const service of services()) {
    bindCaching(service, caching);
    await service.find('1');
  }
  assert.deepEqual(await holds(caching), [true, true]);
});

await check('withCaching', async () => {
  const caching = newCaching('scoped');
  await withCaching(caching, () => servedBy(caching));
  for (const copy of Object.values(copies)) {
    const other = newCaching('scoped-by-the-other');
    await copy.withCaching(foreign(other), () => servedBy(other));
  }
});

await check('currentLease', async () => {
  Caching.setDefault(newCaching('leases'));
  const [reporting, invoicing] = services();
  class App {
    @Locked({ key: 'app' })
    async exclusively(work: () => Promise<void>): Promise<void> {
      await work();
    }
  }
  const seen = () => [
    cachement.currentLease().keys[0],
    reports.leaseSeenByReports()[0],
    invoices.leaseSeenByInvoices()[0],
  ];
  await new App().exclusively(async () => assert.deepEqual(seen(), ['app', 'app', 'app']));
  await reporting.exclusively(async () => assert.deepEqual(seen(), ['reports', 'reports', 'reports']));
  await invoicing.exclusively(async () => assert.deepEqual(seen(), ['invoices', 'invoices', 'invoices']));
});

await check('loads in flight', async () => {
  const caching = newCaching('loads');
  Caching.setDefault(caching);
  class App {
    loads = 0;
    @Cached({ key: 'report:{0}', ttl: '1m' })
    async find(id: string): Promise<string> {
      this.loads++;
      return new reports.Reports().find(id); // The same key: a load does not wait for itself.
    }
  }
  const [app, reporting] = [new App(), new reports.Reports()];
  const values = await Promise.all([app.find('1'), reporting.find('1'), app.find('1'), reporting.find('1')]);
  assert.deepEqual(values, Array(4).fill('report 1'));
  assert.deepEqual([app.loads, reporting.loads], [1, 0]);
});

await check('errors', async () => {
  for (const service of services()) {
    Caching.setDefault(newCaching('errors'));
    await service.print('1');
    const refused = await service.print('1').catch((error: unknown) => error);
    for (const { RateLimitExceededError, CachementError, KeyError } of [
      cachement,
      ...Object.values(copies),
    ]) {
      assert.ok(refused instanceof RateLimitExceededError);
      assert.ok(refused instanceof CachementError);
      assert.ok(!((refused as unknown) instanceof KeyError));
    }
  }
});

await check('createDecorators', async () => {
  const caching = newCaching('decorators');
  for (const copy of [cachement, ...Object.values(copies)]) {
    const bound = copy.createDecorators(foreign(caching));
    class App {
      loads = 0;
      @bound.Cached({ key: 'app:{0}', ttl: '1m' })
      async find(_id: string): Promise<number> {
        return ++this.loads;
      }
    }
    await caching.cache.clear();
    const app = new App();
    assert.deepEqual([await app.find('1'), await app.find('1')], [1, 1]);
    assert.ok(await caching.cache.has('app:1'));
  }
});

await check('instances of Caching', async () => {
  const caching = newCaching('instances');
  for (const copy of Object.values(copies)) {
    assert.ok(copy.Caching.is(caching));
    assert.ok(caching instanceof copy.Caching);
    assert.ok(new copy.Caching({ adapter: memory(), namespace: 'instances' }) instanceof Caching);
  }
  const { Caching: OfCommonJs } = copies.invoices;
  const same: Caching = new OfCommonJs({ adapter: memory(), namespace: 'same-version' });
  const { Caching: OfReports } = copies.reports;
  // @ts-expect-error: the class of another version is another type.
  const other: Caching = new OfReports({ adapter: memory(), namespace: 'other-version' });
  assert.ok(Caching.is(same) && Caching.is(other));
});
