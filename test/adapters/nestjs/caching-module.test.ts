import 'reflect-metadata';
import {
  Controller,
  forwardRef,
  Get,
  Inject,
  Injectable,
  Module,
  Param,
  Scope,
  SetMetadata,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
  type NestMiddleware,
  type MiddlewareConsumer,
  type OnModuleInit,
} from '@nestjs/common';
import { ModuleRef, Reflector, REQUEST } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import test from 'ava';
import { map, type Observable } from 'rxjs';
import { memory } from '../../../src/adapters/memory/index.js';
import { CachingModule, cachingToken, InjectCaching } from '../../../src/adapters/nestjs/index.js';
import {
  bindCaching,
  Cached,
  Caching,
  MissingCachingError,
  OptionsError,
  StoreSetupError,
} from '../../../src/index.js';
import { recordingCaching } from '../../../src/testing/index.js';
import { freePort } from '../../support/free-port.js';
import { created, moduleOf, PLATFORMS, serve } from './application.js';

/** Returns the namespace of the `Caching` that its method runs on, and how often it ran. */
abstract class Probe {
  runs = 0;
  @Cached({ key: 'where', ttl: '1m' })
  async load(): Promise<string> {
    this.runs++;
    return 'loaded';
  }
}

/** Which `Caching` a call ran on: the one in which its entry is. */
async function ranOn(probe: Probe, ...candidates: readonly Caching[]): Promise<string> {
  for (const { cache } of candidates) await cache.invalidate({ keys: ['where'] });
  await probe.load();
  const found: string[] = [];
  for (const { cache, namespace } of candidates) {
    if ((await cache.get('where')) !== undefined) found.push(namespace);
  }
  return found.join();
}

@Injectable()
class Singleton extends Probe {}
@Injectable({ scope: Scope.REQUEST })
class PerRequest extends Probe {
  constructor(@Inject(REQUEST) readonly request: unknown) {
    super();
  }
}
@Injectable({ scope: Scope.TRANSIENT })
class Transient extends Probe {}
@Injectable()
class Bubbled extends Probe {
  constructor(
    readonly inner: PerRequest,
    readonly transient: Transient,
  ) {
    super();
  }
}
@Injectable()
class Holder {
  constructor(
    readonly singleton: Singleton,
    readonly transient: Transient,
  ) {}
}
const PROVIDERS = [Singleton, PerRequest, Transient, Bubbled, Holder];

function caching(namespace: string): Caching {
  return new Caching({ adapter: memory(), namespace });
}

test('every scope runs on the Caching of its application, with two applications in one process', async (t) => {
  const [a, b] = [caching('a'), caching('b')];
  const apps = [a, b].map((caching) => ({ imports: [CachingModule.forRoot(caching)], providers: PROVIDERS }));
  const [first, second] = [await serve(t, apps[0]!), await serve(t, apps[1]!)];
  for (const [{ app }, expected] of [
    [first, 'a'],
    [second, 'b'],
    [first, 'a'],
  ] as const) {
    t.is(await ranOn(app.get(Singleton), a, b), expected);
    t.is(await ranOn(app.get(Holder).transient, a, b), expected);
    t.is(await ranOn(await app.resolve(PerRequest), a, b), expected);
    t.is(await ranOn(await app.resolve(Transient), a, b), expected);
    const bubbled = await app.resolve(Bubbled);
    t.is(await ranOn(bubbled, a, b), expected);
    t.is(await ranOn(bubbled.inner, a, b), expected);
    t.is(await ranOn(bubbled.transient, a, b), expected);
  }
});

test('the modules of one application run on different runtimes, with the same classes', async (t) => {
  const [main, reports] = [caching('main'), caching('reports')];
  const usersModule = moduleOf({ providers: PROVIDERS });
  const reportsModule = moduleOf({
    imports: [CachingModule.forFeature('reports')],
    providers: [...PROVIDERS, { provide: 'made', useFactory: () => new Singleton() }],
  });
  const { app } = await serve(t, {
    imports: [
      CachingModule.forRoot(main),
      CachingModule.forRoot({ caching: reports, name: 'reports' }),
      usersModule,
      reportsModule,
    ],
  });
  for (const [module, expected] of [
    [usersModule, 'main'],
    [reportsModule, 'reports'],
  ] as const) {
    const scope = app.select(module);
    t.is(await ranOn(scope.get(Singleton, { strict: true }), main, reports), expected);
    t.is(await ranOn(scope.get(Holder, { strict: true }).transient, main, reports), expected);
    t.is(await ranOn(await scope.resolve(PerRequest, undefined, { strict: true }), main, reports), expected);
    t.is(await ranOn(await scope.resolve(Bubbled, undefined, { strict: true }), main, reports), expected);
  }
  t.is(await ranOn(app.select(reportsModule).get('made', { strict: true }), main, reports), 'reports');
});

test('a runtime that is not global serves the modules that import it, or a module that exports it', async (t) => {
  const [main, local] = [caching('main'), caching('local')];
  const own = CachingModule.forRoot({ caching: local, isGlobal: false });
  const direct = moduleOf({ imports: [own], providers: [Singleton] });
  const shared = moduleOf({ imports: [own], exports: [CachingModule] });
  const through = moduleOf({ imports: [shared], providers: [Singleton] });
  const other = moduleOf({ providers: [Singleton] });
  const { app } = await serve(t, { imports: [CachingModule.forRoot(main), direct, through, other] });
  t.is(await ranOn(app.select(direct).get(Singleton, { strict: true }), main, local), 'local');
  t.is(await ranOn(app.select(through).get(Singleton, { strict: true }), main, local), 'local');
  t.is(await ranOn(app.select(other).get(Singleton, { strict: true }), main, local), 'main');
});

test('Caching and the named runtimes are injected', async (t) => {
  const [main, reports] = [caching('main'), caching('reports')];
  @Injectable()
  class Both {
    @InjectCaching('reports') readonly property!: Caching;
    constructor(
      readonly plain: Caching,
      @InjectCaching() readonly main: Caching,
      @InjectCaching('reports') readonly reports: Caching,
    ) {}
  }
  const { app } = await serve(t, {
    imports: [CachingModule.forRoot(main), CachingModule.forRoot({ caching: reports, name: 'reports' })],
    providers: [Both],
  });
  const both = app.get(Both);
  t.deepEqual([both.plain, both.main, both.reports, both.property], [main, main, reports, reports]);
  t.is(app.get(cachingToken('reports')), reports);
});

test('forRootAsync takes useFactory with inject and imports, useClass and useExisting', async (t) => {
  @Injectable()
  class Config {
    createCachingOptions() {
      return { adapter: memory(), namespace: 'configured' };
    }
  }
  const config = moduleOf({ providers: [Config], exports: [Config] });
  const ways = [
    CachingModule.forRootAsync({
      imports: [config],
      inject: [Config],
      useFactory: async (config: Config) => config.createCachingOptions(),
    }),
    CachingModule.forRootAsync({ useClass: Config }),
    CachingModule.forRootAsync({ imports: [config], useExisting: Config }),
  ];
  for (const way of ways) {
    const { app } = await serve(t, { imports: [way], providers: PROVIDERS });
    t.is(app.get(Caching).namespace, 'configured');
    t.is(await ranOn(app.get(Singleton), app.get(Caching)), 'configured');
    t.is(await ranOn(await app.resolve(PerRequest), app.get(Caching)), 'configured');
  }
});

test('methods run cached in the hooks of other modules, and without init(), as unit tests of NestJS do it', async (t) => {
  @Injectable()
  class Warm extends Probe implements OnModuleInit {
    async onModuleInit(): Promise<void> {
      await this.load();
    }
  }
  const { app } = await serve(t, {
    imports: [CachingModule.forRoot({ adapter: memory() })],
    providers: [Warm],
  });
  await app.get(Warm).load();
  t.is(app.get(Warm).runs, 1);

  const unit = await Test.createTestingModule({
    imports: [CachingModule.forRoot({ adapter: memory() })],
    providers: [Singleton],
  }).compile();
  await unit.get(Singleton).load();
  await unit.get(Singleton).load();
  t.is(unit.get(Singleton).runs, 1);
  await unit.close();
});

test('overrideProvider(Caching) replaces what decorated methods run on', async (t) => {
  const recording = recordingCaching();
  const unit = await Test.createTestingModule({
    imports: [CachingModule.forRoot({ adapter: memory() })],
    providers: [Singleton],
  })
    .overrideProvider(Caching)
    .useValue(recording.caching)
    .compile();
  await unit.get(Singleton).load();
  t.is(recording.of('fill').length, 1);
  await unit.close();
  t.is(
    await recording.caching.cache.get('where'),
    'loaded',
    'The module does not close what it has not made.',
  );
  await recording.close();
});

test('circular dependencies are bound, singletons and request-scoped', async (t) => {
  @Injectable()
  class Left extends Probe {
    constructor(@Inject(forwardRef(() => Right)) readonly right: unknown) {
      super();
    }
  }
  @Injectable()
  class Right extends Probe {
    constructor(@Inject(forwardRef(() => Left)) readonly left: unknown) {
      super();
    }
  }
  @Injectable({ scope: Scope.REQUEST })
  class Odd extends Probe {
    constructor(@Inject(forwardRef(() => Even)) readonly even: unknown) {
      super();
    }
  }
  @Injectable({ scope: Scope.REQUEST })
  class Even extends Probe {
    constructor(@Inject(forwardRef(() => Odd)) readonly odd: unknown) {
      super();
    }
  }
  const a = caching('a');
  const { app } = await serve(t, {
    imports: [CachingModule.forRoot(a)],
    providers: [Left, Right, Odd, Even],
  });
  t.is(await ranOn(app.get(Left), a), 'a');
  t.is(await ranOn(app.get(Right), a), 'a');
  t.is(await ranOn(await app.resolve(Odd), a), 'a');
  t.is(await ranOn(await app.resolve(Even), a), 'a');
});

test('classes, their metadata and names stay as they are', async (t) => {
  const seen: unknown[] = [];
  @Injectable({ scope: Scope.REQUEST })
  @SetMetadata('role', 'reader')
  class Marked extends Probe {
    constructor(readonly singleton: Singleton) {
      super();
      seen.push(new.target === Marked);
    }
  }
  const { app } = await serve(t, {
    imports: [CachingModule.forRoot({ adapter: memory() })],
    providers: [Marked, Singleton],
  });
  const marked = await app.resolve(Marked);
  t.is(marked.constructor, Marked);
  t.true(marked instanceof Marked);
  t.true(marked.singleton instanceof Singleton);
  t.deepEqual(seen, [true]);
  t.is(app.get(Reflector).get('role', marked.constructor), 'reader');
  t.deepEqual(Object.keys(marked).sort(), ['runs', 'singleton']);
});

test('an instance that the application binds itself keeps its Caching', async (t) => {
  const [main, own] = [caching('main'), caching('own')];
  @Injectable()
  class Own extends Probe {
    constructor() {
      super();
      bindCaching(this, own);
    }
  }
  const { app } = await serve(t, { imports: [CachingModule.forRoot(main)], providers: [Own] });
  t.is(await ranOn(app.get(Own), main, own), 'own');
});

const Role = Reflector.createDecorator<string>();

for (const platform of PLATFORMS) {
  test(`controllers, guards, interceptors and middleware are bound, and metadata reach guards (${platform})`, async (t) => {
    @Injectable()
    class Guard extends Probe implements CanActivate {
      constructor(readonly reflector: Reflector) {
        super();
      }
      async canActivate(context: ExecutionContext): Promise<boolean> {
        await this.load();
        // The middleware has filled the entry.
        return this.reflector.get(Role, context.getHandler()) === 'reader' && this.runs === 0;
      }
    }
    @Injectable({ scope: Scope.REQUEST })
    class Interceptor extends Probe implements NestInterceptor {
      async intercept(_context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
        await this.load();
        return next.handle().pipe(map((value) => ({ value })));
      }
    }
    @Injectable()
    class Middleware extends Probe implements NestMiddleware {
      use(_request: unknown, _response: unknown, next: (error?: unknown) => void): void {
        this.load().then(() => next(), next);
      }
    }
    const runs: string[] = [];
    @Controller('plain')
    @UseGuards(Guard)
    @UseInterceptors(Interceptor)
    class Plain {
      @Get(':id')
      @Role('reader')
      @Cached({ key: 'plain:{0}', ttl: '1m' })
      async find(@Param('id') id: string): Promise<string> {
        runs.push(id);
        return `plain ${id}`;
      }
    }
    @Controller('scoped')
    class Scoped {
      constructor(@Inject(REQUEST) readonly request: unknown) {}
      @Cached({ key: 'scoped:{0}', ttl: '1m' })
      @Get(':id')
      async find(@Param('id') id: string): Promise<string> {
        runs.push(id);
        return `scoped ${id}`;
      }
    }
    @Module({
      imports: [CachingModule.forRoot({ adapter: memory(), defaults: { storeTimeout: '10s' } })],
      controllers: [Plain, Scoped],
    })
    class Root {
      configure(consumer: MiddlewareConsumer): void {
        consumer.apply(Middleware).forRoutes(Plain);
      }
    }
    const { get } = await serve(t, Root, platform);
    for (let call = 0; call < 2; call++) {
      t.deepEqual(await (await get('/plain/1')).json(), { value: 'plain 1' });
      t.is(await (await get('/scoped/2')).text(), 'scoped 2');
    }
    t.deepEqual(runs, ['1', '2']);
  });
}

test('a Caching that the module made is closed with the application; one that it received is not', async (t) => {
  const given = caching('given');
  const app = await created({
    imports: [
      CachingModule.forRoot({ adapter: memory(), namespace: 'own' }),
      CachingModule.forRoot({ caching: given, name: 'given' }),
    ],
  });
  await app.init();
  const own = app.get(Caching);
  await own.cache.set('key', 1, { ttl: '1m' });
  await app.close();
  await t.throwsAsync(own.limits.block('key', '1s'), { code: 'E_STORE_UNAVAILABLE' });
  await given.limits.block('key', '1s');
  await given.close();
});

test('an application whose store cannot be used does not start, and leaves nothing open', async (t) => {
  const { ioredis } = await import('../../../src/adapters/ioredis/index.js');
  const adapter = ioredis(`redis://127.0.0.1:${await freePort()}`);
  const root = { imports: [CachingModule.forRoot({ adapter })], providers: PROVIDERS };
  await t.throwsAsync(created(root), { instanceOf: StoreSetupError });
});

test('wrong set-ups are errors that say what to write', async (t) => {
  const root = CachingModule.forRoot({ adapter: memory() });
  const missing = { imports: [root, CachingModule.forFeature('reports')] };
  await t.throwsAsync(created(missing), {
    instanceOf: OptionsError,
    message: /forFeature\('reports'\) found no runtime with this name\. .*name: 'reports'/,
  });
  const twice = { imports: [root, CachingModule.forRoot({ adapter: memory() })], providers: [Singleton] };
  await t.throwsAsync(created(twice), {
    instanceOf: OptionsError,
    message: /can use 2 runtimes of CachingModule/,
  });
  const wrong = (call: () => unknown, message: RegExp) =>
    t.throws(call, { instanceOf: OptionsError, message });
  wrong(
    () => CachingModule.forRoot({ adapter: memory(), isglobal: false } as never),
    /CachingModule\.forRoot\({ \.\.\. }\) has no option 'isglobal'\. It has: .*isGlobal/,
  );
  wrong(
    () => CachingModule.forRoot({ caching: {} } as never),
    /caching of CachingModule\.forRoot.* is a Caching/,
  );
  wrong(
    () => CachingModule.forRoot({ caching: caching('x'), namespace: 'y' } as never),
    /has the options caching and namespace/,
  );
  wrong(
    () => CachingModule.forRootAsync({}),
    /takes one of useFactory, useClass and useExisting, and none of them/,
  );
  wrong(() => CachingModule.forFeature('' as never), /takes the name of a runtime/);
  const nothing = { imports: [CachingModule.forRootAsync({ useFactory: () => undefined as never })] };
  await t.throwsAsync(created(nothing), {
    instanceOf: OptionsError,
    message: /forRootAsync.* takes the options of new Caching, or a Caching, and undefined was given/,
  });
});

test('a provider of a module without a runtime rejects, and does not run uncached', async (t) => {
  const { app } = await serve(t, {
    imports: [CachingModule.forRoot({ adapter: memory(), name: 'reports' })],
    providers: [Singleton],
  });
  await t.throwsAsync(app.get(Singleton).load(), { instanceOf: MissingCachingError });
});

test('an instance of ModuleRef.create is not known to the module: it injects Caching', async (t) => {
  @Injectable()
  class Created extends Probe {
    constructor(readonly caching: Caching) {
      super();
    }
  }
  const a = caching('a');
  const { app } = await serve(t, { imports: [CachingModule.forRoot(a)] });
  t.is(await ranOn(await app.get(ModuleRef).create(Created), a), 'a');
});
