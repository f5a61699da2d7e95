import { afterEach, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Header, Headers, HttpCode, Post, UseGuards } from '@nestjs/common';
import {
  AuthGuard,
  CurrentSession,
  CurrentUser,
  NoActivity,
  SessionModule,
  type SessionModuleOptions,
  SessionService,
  TokenService,
  accessAndRefresh,
  sliding,
} from 'nestjs-latchkey';
import type { SessionClientOptions, SessionTokens } from 'nestjs-latchkey/client';
import { ManualClock } from 'nestjs-latchkey/testing';
import { type HttpApp, adapters, sessionOptions, startApp } from '../nest/http-app.js';
import { until } from '../support/until.js';
import { Browser } from './tabs.js';

const MINUTE = 60_000;
const START = Date.UTC(2026, 0, 15, 12);

const asked: string[] = [];

@Controller()
class AppController {
  constructor(
    private readonly tokens: TokenService,
    private readonly sessions: SessionService,
  ) {}

  @Post('login')
  async login(@Body() { name, deviceName }: { name: string; deviceName: string }) {
    const { session, ...rest } = await this.tokens.login(name, { deviceType: 'browser', deviceName });
    return { ...rest, sessionId: session.id };
  }

  @Post('refresh')
  async refresh(@Body('refreshToken') refreshToken: unknown, @Headers('x-no-activity') noActivity: string | undefined) {
    asked.push('refresh');
    const { session, ...rest } = await this.tokens.refresh(refreshToken, { activity: noActivity !== '1' });
    return { ...rest, sessionId: session.id };
  }

  @Post('logout')
  @HttpCode(204)
  @UseGuards(AuthGuard)
  async logout(@CurrentSession('id') id: string, @CurrentUser('userId') userId: string) {
    await this.sessions.end(userId, id);
  }

  /** Ends at once, so that it is asked for again and again. */
  @Get('live')
  @NoActivity()
  @UseGuards(AuthGuard)
  @Header('Content-Type', 'text/event-stream')
  live() {
    return 'retry: 10\n\n';
  }

  @Get('me')
  @UseGuards(AuthGuard)
  me(@CurrentUser('userId') userId: string) {
    asked.push('me');
    return { userId };
  }
}

describe.each(adapters)('the client and the library on $name', (kind) => {
  let server: HttpApp;
  let browser: Browser;
  let clock: ManualClock;

  async function start(module: Partial<SessionModuleOptions>, options: SessionClientOptions = {}) {
    asked.length = 0;
    clock = new ManualClock(START);
    const session = SessionModule.forRoot(sessionOptions({ clock, ...module }));
    server = await startApp(kind, { imports: [session], controllers: [AppController] });
    browser = new Browser({ baseUrl: `http://127.0.0.1:${server.port}`, ...options });
  }

  afterEach(async () => {
    browser.close();
    await server.close();
  });

  async function login(tab: ReturnType<Browser['openTab']>, deviceName = 'Laptop') {
    const headers = { 'Content-Type': 'application/json' };
    const body = JSON.stringify({ name: 'alice', deviceName });
    const answer = await tab.client.fetch('/login', { method: 'POST', headers, body });
    const tokens = (await answer.json()) as SessionTokens & { sessionId: string };
    tab.client.setTokens(tokens);
    return tokens;
  }

  const me = async (tab: ReturnType<Browser['openTab']>) => {
    const answer = await tab.client.fetch('/me');
    return [answer.status, await answer.json()];
  };
  const good = [200, { userId: 'alice' }];

  describe('with access and refresh tokens', () => {
    const tokens = accessAndRefresh({ access: '10m', refresh: '1h', grace: '30s' });
    const withRefresh = () => start({ tokens }, { refreshUrl: '/refresh' });

    it('renews an expired token once for all requests of two tabs, again and again', async () => {
      await withRefresh();
      const [one, two] = [browser.openTab(), browser.openTab()];
      await login(one);
      const seen = new Set([one.client.token]);
      for (let round = 1; round <= 3; round += 1) {
        clock.advance(11 * MINUTE);
        const requests = Array.from({ length: 10 }, (_, n) => me(n % 2 ? one : two));
        expect(await Promise.all(requests)).toEqual(Array(10).fill(good));
        expect(asked.filter((path) => path === 'refresh')).toHaveLength(round);
        seen.add(one.client.token);
      }
      expect([seen.size, one.ends, two.ends]).toEqual([4, [], []]);
    });

    it('survives two refreshes of the same token by tabs without locks', async () => {
      await withRefresh();
      const locks = { request: (_: string, work: () => Promise<void>) => work() };
      const [one, two] = [browser.openTab({ locks }), browser.openTab({ locks })];
      await login(one);
      clock.advance(11 * MINUTE);
      expect(await Promise.all([me(one), me(two)])).toEqual([good, good]);
      clock.advance(MINUTE);
      expect([await me(one), await me(two)]).toEqual([good, good]);
      expect([one.ends, two.ends]).toEqual([[], []]);
    });

    it('lets a session end that nobody uses, though its page watches a stream; a request is a use all the same', async () => {
      await start({ tokens, idleTimeout: '30m' }, { refreshUrl: '/refresh' });
      const tab = browser.openTab();
      await login(tab);
      clock.advance(11 * MINUTE);
      expect(await me(tab)).toEqual(good);
      tab.client.watch('/live', { onEvent: () => undefined });
      for (const refreshes of [2, 3]) {
        clock.advance(11 * MINUTE);
        await until(() => asked.filter((path) => path === 'refresh').length === refreshes);
      }
      expect(tab.ends).toEqual([]);
      clock.advance(11 * MINUTE);
      await until(() => tab.ends.length > 0 || asked.filter((path) => path === 'refresh').length > 4);
      expect(tab.ends).toMatchObject([{ errorCode: 'SESSION_IDLE' }]);
    });
  });

  describe('with tokens that the server renews', () => {
    const withSliding = (headers = {}) =>
      start({ tokens: sliding({ ttl: '10m', renewWithin: '5m', grace: '30s' }), headers }, { headers });

    it.each([{}, { renewedToken: 'X-Next-Token', renewedTokenExpiresIn: 'X-Next-Life' }])(
      'takes the next one from any answer, with headers %j',
      async (headers) => {
        await withSliding(headers);
        const [one, two] = [browser.openTab(), browser.openTab()];
        await login(one);
        const seen = new Set([one.client.token]);
        for (let round = 0; round < 4; round += 1) {
          clock.advance(6 * MINUTE);
          expect(await Promise.all([me(one), me(two), me(one)])).toEqual([good, good, good]);
          expect(two.client.token).toBe(one.client.token);
          seen.add(one.client.token);
        }
        expect([seen.size, one.ends]).toEqual([5, []]);
        clock.advance(11 * MINUTE);
        expect(await me(one)).toMatchObject([401, { errorCode: 'TOKEN_EXPIRED' }]);
        expect([one.ends.length, one.client.token]).toEqual([1, null]);
      },
    );
  });

  describe('when a session ends', () => {
    it('is told by which login it was replaced', async () => {
      await start({});
      const tab = browser.openTab();
      await login(tab);
      clock.advance(MINUTE);
      const other = new Browser({ baseUrl: `http://127.0.0.1:${server.port}` });
      await login(other.openTab(), 'Phone of Alice');
      expect(await me(tab)).toMatchObject([401, { errorCode: 'SESSION_REPLACED' }]);
      const at = new Date(START + MINUTE).toISOString();
      expect(tab.ends).toEqual([
        {
          errorCode: 'SESSION_REPLACED',
          message: 'The session was ended by a login on another device.',
          endedAt: at,
          replacedBy: { deviceType: 'browser', deviceName: 'Phone of Alice', at },
        },
      ]);
      expect([tab.client.token, other.stored === null]).toEqual([null, false]);
      other.close();
    });
  });
});
