import test from 'ava';
import { InFlightLoad, InFlightLoads } from '../../src/core/cache/in-flight-loads.js';

function begun(loads: InFlightLoads, key: string, tags?: readonly string[]): InFlightLoad {
  const load = new InFlightLoad(key, tags);
  loads.add(load);
  return load;
}

test('a load is found from when it is added until it is removed', (t) => {
  const loads = new InFlightLoads();
  t.is(loads.get('k'), undefined);
  const load = begun(loads, 'k', []);
  t.is(loads.get('k'), load);
  t.is(loads.get('l'), undefined);
  loads.remove(load);
  t.is(loads.get('k'), undefined);
});

test('removing a load does not remove the load that replaced it', (t) => {
  const loads = new InFlightLoads();
  const first = begun(loads, 'k', []);
  loads.detach(['k'], [], false);
  const second = begun(loads, 'k', []);
  loads.remove(first);
  t.is(loads.get('k'), second);
  loads.remove(first);
  t.is(loads.get('k'), second);
});

test('an invalidation of a key detaches its load and no other', (t) => {
  const loads = new InFlightLoads();
  const load = begun(loads, 'k', []);
  const other = begun(loads, 'l', []);
  loads.detach(['k', 'absent'], [], false);
  t.true(load.isDetached);
  t.is(loads.get('k'), undefined);
  t.false(other.isDetached);
  t.is(loads.get('l'), other);
});

test('an invalidation of a tag detaches the loads that depend on it', (t) => {
  const loads = new InFlightLoads();
  const tagged = begun(loads, 'k', ['a', 'b']);
  const other = begun(loads, 'l', ['c']);
  loads.detach([], ['b'], false);
  t.true(tagged.isDetached);
  t.is(loads.get('k'), undefined);
  t.is(loads.get('l'), other);
});

test('an invalidation of a tag detaches the loads whose tags come from the result', (t) => {
  const loads = new InFlightLoads();
  const load = begun(loads, 'k');
  loads.detach(['other'], [], false);
  t.false(load.isDetached);
  loads.detach([], ['any'], false);
  t.true(load.isDetached);
});

test('a clear detaches every load', (t) => {
  const loads = new InFlightLoads();
  const all = ['k', 'l'].map((key) => begun(loads, key, []));
  loads.detach([], [], true);
  t.deepEqual(
    all.map(({ isDetached }) => isDetached),
    [true, true],
  );
  t.is(loads.size, 0);
});

test('all callers of a load get its first result', async (t) => {
  const load = new InFlightLoad('k', []);
  const result = { value: 1, validFrom: 2, loadedAt: 3, tags: [] };
  load.resolve(result);
  load.reject(new Error('too late'));
  t.is(await load.result, result);
  load.settleValidation(7);
  load.settleValidation(9);
  t.is(await load.validated, 7);
});
