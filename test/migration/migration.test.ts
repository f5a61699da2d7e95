import { beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Post, Req, type Type, UseGuards } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import session from 'express-session';
import { Redis } from 'ioredis';
import jwt from 'jsonwebtoken';
import {
  AuthGuard,
  CurrentUser,
  OperatorService,
  type SessionModuleOptions,
  TokenService,
  cookies,
  multiDevice,
} from 'nestjs-latchkey';
import { SessionTestingModule } from 'nestjs-latchkey/testing';
import { codeBlocks, readPage } from '../docs/examples.js';
import { startRedis } from '../support/redis.js';
import { SECRET } from '../support/sessions.js';
import { useEnd } from '../support/use-database.js';
import { ExchangeController as FromExpressSession } from './express-session.js';
import { ExchangeController as FromJwt } from './passport-jwt.js';
import { ExchangeController as FromSaToken } from './sa-token.js';

@Controller()
class OldAndNew {
  @Post('old-login') login(@Req() request: { session: { userId?: string } }) {
    request.session.userId = 'alice';
  }
  @UseGuards(AuthGuard)
  @Get('me')
  me(@CurrentUser('userId') userId: string) {
    return userId;
  }
}

describe('a login of before', () => {
  const atEnd = useEnd();

  async function start(exchange: Type<unknown>, options: Partial<SessionModuleOptions> = {}, redis: unknown = {}) {
    const module = await Test.createTestingModule({
      imports: [SessionTestingModule.forRoot({ policy: multiDevice(), ...options })],
      controllers: [OldAndNew, exchange],
      providers: [{ provide: 'SA_TOKEN_REDIS', useValue: redis }],
    }).compile();
    const app = module.createNestApplication();
    app.use(['/auth/exchange', '/old-login'], session({ secret: SECRET, resave: false, saveUninitialized: false }));
    atEnd(() => app.close());
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const call = (path: string, headers: Record<string, string> = {}, method = 'POST') =>
      fetch(`${url}${path}`, { method, headers });
    const me = async (token: string) => (await call('/me', { authorization: `Bearer ${token}` }, 'GET')).text();
    const tokenOf = async (answer: Response) => ((await answer.json()) as { accessToken: string }).accessToken;
    return { app, call, me, tokenOf, tokens: app.get(TokenService), operators: app.get(OperatorService) };
  }

  it('with express-session is exchanged once, for cookies', async () => {
    const { call } = await start(FromExpressSession, { transport: cookies() });
    const script = { 'x-requested-with': 'fetch' };
    const cookieOf = (answer: Response) =>
      answer.headers
        .getSetCookie()
        .map((line) => line.split(';')[0]!)
        .join('; ');
    const old = cookieOf(await call('/old-login'));
    expect((await call('/auth/exchange', { cookie: old })).status).toBe(403);
    expect((await call('/auth/exchange', script)).status).toBe(401);
    const exchanged = await call('/auth/exchange', { cookie: old, ...script });
    expect(exchanged.status).toBe(201);
    expect(await (await call('/me', { cookie: cookieOf(exchanged) }, 'GET')).text()).toBe('alice');
    expect((await call('/auth/exchange', { cookie: old, ...script })).status).toBe(401);
  });

  it('with a JWT is exchanged once, unless the password was changed since', async () => {
    process.env.JWT_SECRET = SECRET;
    const { call, me, tokenOf, tokens } = await start(FromJwt);
    const old = (subject: string, secret = SECRET) => ({
      authorization: `Bearer ${jwt.sign({}, secret, { subject, expiresIn: '1h' })}`,
    });
    const alice = old('alice');
    const token = await tokenOf(await call('/auth/exchange', alice));
    expect(await me(token)).toBe('alice');
    await tokens.logout(token);
    expect((await call('/auth/exchange', alice)).status).toBe(401);
    for (const bad of [{}, { authorization: 'Bearer x' }, old('alice', 'another secret')]) {
      expect((await call('/auth/exchange', bad)).status).toBe(401);
    }
    const bob = old('bob');
    await tokens.revokeSessions('bob');
    expect(await (await call('/auth/exchange', bob)).json()).toMatchObject({ errorCode: 'SESSION_REVOKED' });
  });

  describe('of Sa-Token', () => {
    let url: string;
    const atLast = useEnd(true);
    beforeAll(async () => {
      const server = await startRedis();
      atLast(() => server.stop());
      url = server.url;
    });

    it('is exchanged once, unless it was replaced or kicked', async () => {
      const redis = new Redis(url);
      atEnd(() => redis.disconnect());
      const { call, me, tokenOf } = await start(FromSaToken, {}, redis);
      await redis.mset({ 'satoken:login:token:good': '10001', 'satoken:login:token:kicked': '-5' });
      expect(await me(await tokenOf(await call('/auth/exchange', { satoken: 'good' })))).toBe('10001');
      for (const bad of ['good', 'kicked', 'unknown']) {
        expect((await call('/auth/exchange', { satoken: bad })).status).toBe(401);
      }
    });
  });
});

it.each(['express-session', 'passport-jwt', 'sa-token'])('docs/from-%s.md shows the code that runs here', (name) => {
  const shown = codeBlocks(`docs/from-${name}.md`, 'ts').map(({ text }) => text);
  expect(shown).toContain(readPage(`test/migration/${name}.ts`));
});
