import test from 'ava';
import { Flight, SingleFlight } from '../../src/core/single-flight.js';

function departed(flights: SingleFlight, key: string, tags?: readonly string[]): Flight {
  const flight = new Flight(key, tags);
  flights.depart(flight);
  return flight;
}

test('a flight is found from its departure to its arrival', (t) => {
  const flights = new SingleFlight();
  t.is(flights.get('k'), undefined);
  const flight = departed(flights, 'k', []);
  t.is(flights.get('k'), flight);
  t.is(flights.get('l'), undefined);
  flights.arrive(flight);
  t.is(flights.get('k'), undefined);
});

test('a flight that arrives does not take away the one that has taken its place', (t) => {
  const flights = new SingleFlight();
  const first = departed(flights, 'k', []);
  flights.detach(['k'], [], false);
  const second = departed(flights, 'k', []);
  flights.arrive(first);
  t.is(flights.get('k'), second);
  flights.arrive(first);
  t.is(flights.get('k'), second);
});

test('an invalidation of its key detaches a flight, and no other', (t) => {
  const flights = new SingleFlight();
  const flight = departed(flights, 'k', []);
  const other = departed(flights, 'l', []);
  flights.detach(['k', 'absent'], [], false);
  t.true(flight.detached);
  t.is(flights.get('k'), undefined);
  t.false(other.detached);
  t.is(flights.get('l'), other);
});

test('an invalidation of a tag detaches the flights that carry it', (t) => {
  const flights = new SingleFlight();
  const tagged = departed(flights, 'k', ['a', 'b']);
  const other = departed(flights, 'l', ['c']);
  flights.detach([], ['b'], false);
  t.true(tagged.detached);
  t.is(flights.get('k'), undefined);
  t.is(flights.get('l'), other);
});

test('an invalidation of a tag detaches the flights whose tags only the value will tell', (t) => {
  const flights = new SingleFlight();
  const flight = departed(flights, 'k');
  flights.detach(['other'], [], false);
  t.false(flight.detached);
  flights.detach([], ['any'], false);
  t.true(flight.detached);
});

test('a clear detaches every flight', (t) => {
  const flights = new SingleFlight();
  const all = ['k', 'l'].map((key) => departed(flights, key, []));
  flights.detach([], [], true);
  t.deepEqual(
    all.map(({ detached }) => detached),
    [true, true],
  );
  t.deepEqual(flights.all(), []);
});

test('whoever awaits a flight gets what it landed with, once', async (t) => {
  const flight = new Flight('k', []);
  const landing = { value: 1, asOf: 2, since: 3, tagged: [] };
  flight.land(landing);
  flight.crash(new Error('too late'));
  t.is(await flight.landed, landing);
  flight.prove(7);
  flight.prove(9);
  t.is(await flight.proven, 7);
});
