import 'reflect-metadata';
import {
  Controller,
  Get,
  Headers,
  HttpCode,
  Injectable,
  Module,
  Post,
  Query,
  Res,
  UnauthorizedException,
} from '@nestjs/common';
import test from 'ava';
import { CachingModule } from '../../../src/adapters/nestjs/index.js';
import { Sessions } from '../../../src/core/sessions/index.js';
import { Caching } from '../../../src/index.js';
import { loginFlow } from '../session-store/login-flow.js';
import { PLATFORMS, serve } from './application.js';

interface Visit {
  readonly visits: number;
}

/** The response of Express and of Fastify. */
interface AnyResponse {
  header(name: string, value: string): unknown;
}

@Injectable()
class VisitSessions extends Sessions<Visit> {
  constructor(caching: Caching) {
    super(caching, { ttl: '10m', maxAge: '1h' });
  }
}

function idOf(cookies: string | undefined): string | undefined {
  return /(?:^|; )sid=([^;]*)/.exec(cookies ?? '')?.[1];
}

function setId(response: AnyResponse, id: string): void {
  response.header('set-cookie', `sid=${id}; Path=/; HttpOnly; SameSite=Lax`);
}

for (const platform of PLATFORMS) {
  loginFlow(test, `NestJS on ${platform}`, async (t, caching, slow) => {
    @Controller()
    class Account {
      readonly #sessions: VisitSessions;

      constructor(sessions: VisitSessions) {
        this.#sessions = sessions;
      }

      @Get('me')
      async me(
        @Headers('cookie') cookies: string | undefined,
        @Res({ passthrough: true }) response: AnyResponse,
      ) {
        const session =
          (await this.#sessions.update(idOf(cookies), ({ visits }) => ({ visits: visits + 1 }))) ??
          (await this.#sessions.create({ visits: 1 }));
        setId(response, session.id);
        return { user: session.user ?? null, visits: session.data.visits };
      }

      @Post('login')
      @HttpCode(200)
      async login(
        @Headers('cookie') cookies: string | undefined,
        @Query('user') user: string,
        @Res({ passthrough: true }) response: AnyResponse,
      ) {
        const session =
          (await this.#sessions.rotate(idOf(cookies), { user })) ??
          (await this.#sessions.create({ visits: 0 }, { user }));
        setId(response, session.id);
        return {};
      }

      @Post('logout')
      @HttpCode(200)
      async logout(@Headers('cookie') cookies: string | undefined) {
        await this.#sessions.destroy(idOf(cookies));
        return {};
      }

      @Post('logout-everywhere')
      @HttpCode(200)
      async logoutEverywhere(@Headers('cookie') cookies: string | undefined) {
        const session = await this.#sessions.get(idOf(cookies));
        if (session?.user === undefined) throw new UnauthorizedException();
        await this.#sessions.revokeAll(session.user, { except: session.id });
        return {};
      }

      @Get('slow')
      async slow(@Headers('cookie') cookies: string | undefined) {
        const session = await this.#sessions.get(idOf(cookies));
        slow().started.resolve();
        await slow().released.promise;
        await this.#sessions.update(session!.id, { visits: 100 });
        return {};
      }
    }

    @Module({
      imports: [CachingModule.forRoot({ caching })],
      providers: [VisitSessions],
      controllers: [Account],
    })
    class Root {}

    const { app } = await serve(t, Root, platform);
    return { url: await app.getUrl() };
  });
}
