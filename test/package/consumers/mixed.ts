import { Caching } from 'cachement';
import { memory } from 'cachement/memory';

/** CommonJS, with a module beside it that is ESM: what one makes is of a type that the other takes. */
async function main(): Promise<void> {
  const { namespaceOf, newCaching } = await import('./mixed.esm.mjs');
  const caching = new Caching({ adapter: memory(), namespace: 'mixed' });
  console.log(`namespace: ${namespaceOf(caching)}, known: ${Caching.is(newCaching())}`);
  const same: Caching = newCaching();
  await Promise.all([caching.close(), same.close()]);
}

void main();
