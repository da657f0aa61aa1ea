import 'reflect-metadata';
import { Controller, forwardRef, Get, Inject, Injectable, Scope } from '@nestjs/common';
import test from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import { CachingModule } from '../../../src/adapters/nestjs/index.js';
import { Caching } from '../../../src/index.js';
import { defineChannel, Publishes, pubsub, Subscribes } from '../../../src/pubsub/index.js';
import { created, moduleOf, serve } from './application.js';

const changed = defineChannel<string>('changed');

function log() {
  const lines: string[] = [];
  @Injectable()
  class Listener {
    isInitialised = false;

    onModuleInit(): void {
      this.isInitialised = true;
    }

    @Subscribes(changed)
    async onChanged(id: string): Promise<void> {
      lines.push(`${id} ${this.isInitialised}`);
    }
  }
  return { lines, Listener };
}

let count = 0;
const newCaching = (): Caching => new Caching({ adapter: memory(), namespace: `nest-subscribes-${count++}` });

test('a provider is subscribed once the application is initialised, and until it closes', async (t) => {
  const { lines, Listener } = log();
  @Controller()
  class Users {
    @Get()
    @Publishes(changed)
    async save(): Promise<string> {
      return 'saved';
    }
  }
  const caching = newCaching();
  t.teardown(() => caching.close());
  const { app, get } = await serve(t, {
    imports: [CachingModule.forRoot({ caching })],
    controllers: [Users],
    providers: [Listener],
  });
  await pubsub(caching).ready();
  t.is(await (await get('/')).text(), 'saved');
  await app.close();
  t.deepEqual(lines, ['saved true']);
  t.is(await pubsub(caching).publish(changed, 'later'), 0);
});

test('two applications with one Caching each have their listener', async (t) => {
  const { lines, Listener } = log();
  const caching = newCaching();
  t.teardown(() => caching.close());
  const root = { imports: [CachingModule.forRoot({ caching })], providers: [Listener] };
  for (const id of ['first', 'second']) {
    const app = await created(root);
    await app.init();
    await pubsub(caching).ready();
    await pubsub(caching).publish(changed, id);
    await app.close();
  }
  t.deepEqual(lines, ['first true', 'second true']);
});

test('the application that makes its Caching closes it after its handlers', async (t) => {
  const { lines, Listener } = log();
  const namespace = `nest-subscribes-${count++}`;
  const app = await created({
    imports: [CachingModule.forRoot({ adapter: memory(), namespace })],
    providers: [Listener],
  });
  await app.init();
  const messages = pubsub(app.get(Caching));
  await messages.ready();
  await messages.publish(changed, '1');
  await app.close();
  t.deepEqual(lines, ['1 true']);
});

test('of providers in a circle the instance that Nest keeps is subscribed, and one for each request is not', async (t) => {
  const lines: string[] = [];
  @Injectable()
  class One {
    name = 'one';
    constructor(@Inject(forwardRef(() => Two)) readonly two: object) {}

    @Subscribes(changed)
    onChanged(id: string): void {
      lines.push(`${this.name} ${id} ${typeof this.two}`);
    }
  }
  @Injectable()
  class Two {
    constructor(@Inject(forwardRef(() => One)) readonly one: object) {}
  }
  @Injectable({ scope: Scope.REQUEST })
  class OfRequest {
    @Subscribes(changed)
    onChanged(): void {
      t.fail('of a request');
    }
  }
  const caching = newCaching();
  t.teardown(() => caching.close());
  const app = await created(
    moduleOf({ imports: [CachingModule.forRoot({ caching })], providers: [One, Two, OfRequest] }),
  );
  await app.init();
  app.get(One).name = 'changed';
  await pubsub(caching).ready();
  await pubsub(caching).publish(changed, '1');
  await app.close();
  t.deepEqual(lines, ['changed 1 object']);
});
