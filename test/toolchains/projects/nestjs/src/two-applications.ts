import 'reflect-metadata';
import {
  type CallHandler,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  type INestApplication,
  Injectable,
  Module,
  type NestInterceptor,
  Scope,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { NestFactory, Reflector } from '@nestjs/core';
import { Cached, RateLimited, subscribe } from 'cachement';
import { memory } from 'cachement/memory';
import { CachingModule } from 'cachement/nestjs';

const Role = Reflector.createDecorator<string>();
const roles: unknown[] = [];
/** The namespaces in which the methods of one request ran. */
let ran: string[] = [];
subscribe('fill', ({ namespace }) => ran.push(namespace));

@Injectable()
class Singleton {
  @Cached({ ttl: '1m' })
  async load(id: string): Promise<string> {
    return id;
  }
}

@Injectable({ scope: Scope.REQUEST })
class PerRequest {
  @Cached({ ttl: '1m' })
  async load(id: string): Promise<string> {
    return id;
  }
}

@Injectable({ scope: Scope.TRANSIENT })
class Transient {
  @Cached({ ttl: '1m' })
  async load(id: string): Promise<string> {
    return id;
  }
}

@Injectable()
class Guard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}
  canActivate(context: ExecutionContext): boolean {
    roles.push(this.reflector.get(Role, context.getHandler()));
    return true;
  }
}

@Injectable()
class Interceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler) {
    return next.handle();
  }
}

@Controller('shop')
@UseGuards(Guard)
@UseInterceptors(Interceptor)
class ShopController {
  constructor(
    private readonly singleton: Singleton,
    private readonly perRequest: PerRequest,
    private readonly transient: Transient,
  ) {}

  @Get()
  async find(): Promise<string> {
    const id = String(Math.random());
    await this.singleton.load(id);
    await this.perRequest.load(id);
    await this.transient.load(id);
    return 'found';
  }

  @Get('orders')
  @Role('reader')
  @RateLimited({ key: 'orders', limit: 1, per: '1m', storeTimeout: '10s' })
  async orders(): Promise<string> {
    return 'ordered';
  }
}

@Controller('reports')
class ReportsController {
  constructor(private readonly perRequest: PerRequest) {}

  @Get()
  find(): Promise<string> {
    return this.perRequest.load(String(Math.random()));
  }
}

@Module({
  imports: [CachingModule.forFeature('reports')],
  controllers: [ReportsController],
  providers: [PerRequest],
})
class ReportsModule {}

@Module({ controllers: [ShopController], providers: [Singleton, PerRequest, Transient] })
class ShopModule {}

async function start(name: string): Promise<INestApplication> {
  class AppModule {}
  Module({
    imports: [
      CachingModule.forRoot({ adapter: memory(), namespace: name }),
      CachingModule.forRootAsync({
        name: 'reports',
        useFactory: async () => ({ adapter: memory(), namespace: `${name}-reports` }),
      }),
      ShopModule,
      ReportsModule,
    ],
  })(AppModule);
  const app = await NestFactory.create(AppModule, { logger: ['error'] });
  await app.listen(0, '127.0.0.1');
  return app;
}

/** Without a connection that stays open and that the server would wait for. */
const get = (url: string) => fetch(url, { headers: { connection: 'close' } });

async function ranOn(app: INestApplication, path: string): Promise<string> {
  ran = [];
  const response = await get((await app.getUrl()) + path);
  if (response.status !== 200) throw new Error(`${path}: ${response.status}`);
  await response.text();
  return [...new Set(ran)].join(' and ');
}

async function main(): Promise<void> {
  const [first, second] = [await start('first'), await start('second')];
  for (const [name, app] of [
    ['first', first],
    ['second', second],
    ['first', first],
  ] as const) {
    const [shop, reports] = [await ranOn(app, '/shop'), await ranOn(app, '/reports')];
    console.log(`${name}: singleton, request, transient on ${shop}; reports on ${reports}`);
  }
  const url = `${await second.getUrl()}/shop/orders`;
  await get(url);
  const refused = await get(url);
  const { title } = (await refused.json()) as { title: string };
  console.log(`role of the guard: ${String(roles.at(-1))}; ${refused.status} ${title}`);
  await first.close();
  await second.close();
  console.log('closed');
}

void main();
