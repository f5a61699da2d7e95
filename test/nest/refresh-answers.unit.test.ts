import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Post, UseGuards } from '@nestjs/common';
import { AuthGuard, SessionModule, TokenService, accessAndRefresh } from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { defaultMessages, refreshMessages } from 'lib/session-error.js';
import { type HttpApp, type RawAnswer, adapters, json, sessionOptions, startApp } from './http-app.js';

const MINUTE = 60_000;
const START = Date.UTC(2026, 0, 15, 12);

@Controller()
class TokenController {
  constructor(private readonly tokens: TokenService) {}

  @Post('refresh')
  async refresh(@Body() body: { refreshToken: string }) {
    const { accessToken, refreshToken } = await this.tokens.refresh(body.refreshToken);
    return { accessToken, refreshToken };
  }

  @Get('me')
  @UseGuards(AuthGuard)
  me() {
    return {};
  }
}

describe.each(adapters)('the answer to a refresh on $name', (kind) => {
  let clock: ManualClock;
  let server: HttpApp;

  beforeEach(async () => {
    clock = new ManualClock(START);
    const session = SessionModule.forRoot(sessionOptions({ clock, tokens: accessAndRefresh({ grace: '30s' }) }));
    server = await startApp(kind, { imports: [session], controllers: [TokenController] });
  });

  afterEach(() => server.close());

  const refresh = (refreshToken: unknown) => server.send(json('/refresh', { refreshToken }));

  const refused = (code: 'SESSION_REPLACED' | 'REFRESH_REUSED' | 'TOKEN_INVALID' | 'TOKEN_EXPIRED') => ({
    statusCode: 401,
    error: 'Unauthorized',
    message: messageOf(code),
    errorCode: code,
  });
  const messageOf = (code: keyof typeof defaultMessages) => refreshMessages[code] ?? defaultMessages[code];

  const challengeOf = ({ headers }: RawAnswer) => headers['www-authenticate'];

  it('tells the holder of a token whose session ended how it ended', async () => {
    const { refreshToken } = await server.tokens.login('alice');
    clock.advance(MINUTE);
    await server.tokens.login('alice', { deviceType: 'phone', deviceName: 'New phone' });
    const answer = await refresh(refreshToken);
    const at = new Date(START + MINUTE).toISOString();
    expect(answer.json).toEqual({
      ...refused('SESSION_REPLACED'),
      endedAt: at,
      replacedBy: { deviceType: 'phone', deviceName: 'New phone', at },
    });
    expect(challengeOf(answer)).toContain('error="invalid_token"');
  });

  it('tells a thief no more than that', async () => {
    const { refreshToken } = await server.tokens.login('alice');
    const { json: pair } = await refresh(refreshToken);
    await refresh(pair.refreshToken);
    clock.advance(MINUTE);
    expect((await refresh(refreshToken)).json).toEqual(refused('REFRESH_REUSED'));
    expect((await refresh(pair.refreshToken)).json).toEqual(refused('REFRESH_REUSED'));
  });

  it('refuses what is no refresh token of ours', async () => {
    const { accessToken, refreshToken } = await server.tokens.login('alice');
    expect((await refresh(accessToken)).json).toEqual(refused('TOKEN_INVALID'));
    expect((await refresh('ses_rt_nonsense')).json).toEqual(refused('TOKEN_INVALID'));
    const asAccess = { ...refused('TOKEN_INVALID'), message: defaultMessages.TOKEN_INVALID };
    expect((await server.sendWith(refreshToken!)).json).toEqual(asAccess);
    for (const nonsense of [undefined, null, '', 5, {}, [refreshToken]]) {
      expect((await refresh(nonsense)).json).toMatchObject({ statusCode: 400, errorCode: 'TOKEN_MALFORMED' });
    }
  });

  it('names the refresh token, in the body and in the challenge, and in the error itself', async () => {
    const { refreshToken } = await server.tokens.login('alice');
    const codes = new Map<unknown, string>([
      [7, 'TOKEN_MALFORMED'],
      ['ses_rt_nonsense', 'TOKEN_INVALID'],
    ]);
    clock.advance(60 * 24 * 60 * MINUTE);
    codes.set(refreshToken, String((await refresh(refreshToken)).json.errorCode));
    for (const [token, code] of codes) {
      const answer = await refresh(token);
      expect(answer.json).toMatchObject({ errorCode: code });
      const description = /error_description="([^"]*)"/.exec(challengeOf(answer)!)?.[1];
      expect(description).toBe(answer.json.message);
      expect(answer.json.message).not.toMatch(/access token|Authorization/);
      await expect(server.tokens.refresh(token as string)).rejects.toThrow(description!);
    }
    for (const message of Object.values(refreshMessages)) expect(message).toContain('refresh token');
  });

  it('has the text that the application has for the code', async () => {
    const texts = { TOKEN_INVALID: 'Bitte neu anmelden.' };
    const own = await startApp(kind, {
      imports: [SessionModule.forRoot(sessionOptions({ messages: texts, tokens: accessAndRefresh() }))],
      controllers: [TokenController],
    });
    const answer = await own.send(json('/refresh', { refreshToken: 'ses_rt_nonsense' }));
    expect(answer.json).toMatchObject({ message: texts.TOKEN_INVALID });
    await own.close();
  });
});
