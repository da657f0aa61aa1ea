import { Caching, subscribe } from 'cachement';
import { memory } from 'cachement/memory';
import { registerCaching } from 'cachement/tsyringe';
import { container, type InjectionToken } from 'tsyringe';
import type { Archive } from './archive.js';

interface FindsBooks {
  readonly archive: Archive;
  find(id: string): Promise<string>;
}

/** Reads a book twice from each service, and prints what was read, under which keys, and what was warned of. */
export async function run(...services: InjectionToken<FindsBooks>[]): Promise<void> {
  const keys: string[] = [];
  const warnings: unknown[] = [];
  const errors: string[] = [];
  subscribe('fill', ({ key }) => keys.push(key));
  subscribe('error', ({ error }) => errors.push(String(error)));
  process.on('warning', (warning) => {
    // Newer versions of Node.js deprecate what some toolchains use.
    if (warning.name === 'DeprecationWarning') return;
    warnings.push((warning as { code?: unknown }).code ?? warning.name);
  });
  const defaults = { storeTimeout: '10s' } as const; // The machine may be busy: no call is to give up its store.
  registerCaching(container, new Caching({ adapter: memory(), namespace: 'library', defaults }));

  const reads: number[] = [];
  for (const service of services) {
    const books = container.resolve(service);
    await books.find('1');
    await books.find('1');
    reads.push(books.archive.reads);
  }
  await new Promise((resolve) => setImmediate(resolve)); // Warnings are published after the call.
  console.log(JSON.stringify({ reads, keys, warnings, errors }));
}
