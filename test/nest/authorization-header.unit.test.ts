import { connect as connectHttp2, constants } from 'node:http2';
import { afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { All, Controller, UseGuards } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import fc from 'fast-check';
import { AuthGuard, CurrentUser, SessionModule } from 'nestjs-latchkey';
import { readBearer } from 'lib/session-authenticator.js';
import {
  type RawRequest,
  adapters,
  answersOf,
  countQueries,
  json,
  sessionOptions,
  startApp,
  useApp,
  verdict,
} from './http-app.js';
import { rounds } from '../support/size.js';

let handled = 0;

@Controller()
@UseGuards(AuthGuard)
class MeController {
  @All('me')
  me(@CurrentUser('userId') userId: string) {
    handled++;
    return { userId };
  }
}

const root = () => ({ imports: [SessionModule.forRoot(sessionOptions())], controllers: [MeController] });

const { missing, malformed, unknown, good, parser } = answersOf('users');

/** A token of the right form that nobody made. */
const FORGED = `ses_at_${'A'.repeat(96)}`;
const form = (body: string) => ({
  method: 'POST',
  lines: ['Content-Type: application/x-www-form-urlencoded'],
  body,
});

/** A request, given a good token; a list is its header lines. */
type Ask = (token: string) => readonly string[] | RawRequest;

/** Same bytes in, same answer out on both frameworks. */
const matrix: readonly (readonly [title: string, ask: Ask, answer: ReturnType<typeof verdict>])[] = [
  ['A34: no header', () => [], missing],
  ['A34: an empty header', () => ['Authorization:'], missing],
  ['A34: a header of blanks', () => ['Authorization:  \t '], missing],
  ['A25: Basic', () => ['Authorization: Basic YTpi'], missing],
  ['A25: Basic that holds a token', (t) => [`Authorization: Basic ${t}`], missing],
  ['A25: DPoP', (t) => [`Authorization: DPoP ${t}`], missing],
  ['A25: a token without a scheme', (t) => [`Authorization: ${t}`], missing],
  ['A25: a scheme that begins like ours', (t) => [`Authorization: BearerX ${t}`], missing],
  ['A25: scheme and token run together', (t) => [`Authorization: Bearer${t}`], missing],
  ['A20: Bearer', (t) => [`Authorization: Bearer ${t}`], good],
  ['A20: bearer', (t) => [`Authorization: bearer ${t}`], good],
  ['A20: BEARER', (t) => [`Authorization: BEARER ${t}`], good],
  ['A20: two spaces', (t) => [`Authorization: Bearer  ${t}`], good],
  ['A20: blanks around the value', (t) => [`aUTHORIZATION: \t Bearer ${t} \t`], good],
  ['A20: a tab in place of the space', (t) => [`Authorization: Bearer\t${t}`], malformed],
  ['A20: a space and a tab', (t) => [`Authorization: Bearer \t${t}`], malformed],
  ['A21: Bearer alone', () => ['Authorization: Bearer'], malformed],
  ['A21: Bearer and a space', () => ['Authorization: Bearer '], malformed],
  ['A21: two words', () => ['Authorization: Bearer a b'], malformed],
  ['A21: a token and a word', (t) => [`Authorization: Bearer ${t} x`], malformed],
  ['A21: a colon after the scheme', (t) => [`Authorization: Bearer: ${t}`], malformed],
  ['A21: padding alone', () => ['Authorization: Bearer =='], malformed],
  ['A21: padding in the middle', () => ['Authorization: Bearer a=b'], malformed],
  ['A21: one letter', () => ['Authorization: Bearer a'], unknown],
  ['A21: names of prototypes', () => ['Authorization: Bearer __proto__'], unknown],
  ['A26: quotes', (t) => [`Authorization: Bearer "${t}"`], malformed],
  ['A26: a comma list', (t) => [`Authorization: Bearer ${t},${t}`], malformed],
  ['A26: a list of challenges', (t) => [`Authorization: Bearer ${t}, Bearer ${t}`], malformed],
  ['A26: percent-encoding', (t) => [`Authorization: Bearer ${t.replace('_', '%5F')}`], malformed],
  ['A26: UTF-8', (t) => [`Authorization: Bearer ${utf8(`ü${t}`)}`], malformed],
  ['A26: a no-break space', (t) => [`Authorization: Bearer\u00a0${t}`], malformed],
  ['A26: a BOM before the scheme', (t) => [`Authorization: ${utf8('\ufeff')}Bearer ${t}`], missing],
  ['A26: a BOM before the token', (t) => [`Authorization: Bearer ${utf8('\ufeff')}${t}`], malformed],
  ['A26: NUL', (t) => [`Authorization: Bearer ${t}\0`], parser(400)],
  ['A26: a control character', (t) => [`Authorization: Bearer \x01${t}`], parser(400)],
  ['A26: DEL', (t) => [`Authorization: Bearer ${t}\x7f`], parser(400)],
  ['A26: a folded header', (t) => ['Authorization: Bearer', ` ${t}`], parser(400)],
  ['A26: a bare CR', (t) => [`Authorization: Bearer x\rX: ${t}`], parser(400)],
  ['A26: a space before the colon', (t) => [`Authorization : Bearer ${t}`], parser(400)],
  ['A22: 512 characters', () => [`Authorization: Bearer ${'a'.repeat(512)}`], unknown],
  ['A22: 513 characters', () => [`Authorization: Bearer ${'a'.repeat(513)}`], malformed],
  ['A22: 600 characters', () => [`Authorization: Bearer ${'a'.repeat(600)}`], malformed],
  ['A22: 8 KB', () => [`Authorization: Bearer ${'a'.repeat(8192)}`], malformed],
  ['A22: 15 KB', () => [`Authorization: Bearer ${'a'.repeat(15_360)}`], malformed],
  ['A22: 15 KB of spaces', (t) => [`Authorization: Bearer${' '.repeat(15_000)}${t}`], malformed],
  ['A22: 20 KB', () => [`Authorization: Bearer ${'a'.repeat(20_480)}`], parser(431)],
  ['A24: the first line is good', (t) => twice(`Bearer ${t}`, `Bearer ${FORGED}`), good],
  ['A24: the second line is good', (t) => twice(`Bearer ${FORGED}`, `Bearer ${t}`), unknown],
  ['A24: the first line is Basic', (t) => twice('Basic YTpi', `Bearer ${t}`), missing],
  ['A24: the first line is malformed', (t) => twice('Bearer', `Bearer ${t}`), malformed],
  ['A17: a query', (t) => ({ path: `/me?access_token=${t}` }), missing],
  ['A17: a query twice', (t) => ({ path: `/me?access_token=${t}&access_token=${t}` }), missing],
  ['A25: Basic and a query', (t) => ({ path: `/me?access_token=${t}`, lines: ['Authorization: Basic YTpi'] }), missing],
  [
    'A19: a forged header and a good query',
    (t) => ({ path: `/me?access_token=${t}`, lines: [`Authorization: Bearer ${FORGED}`] }),
    unknown,
  ],
  [
    'A19: a good header and a forged query, which is not read',
    (t) => ({ path: `/me?access_token=${FORGED}`, lines: [`Authorization: Bearer ${t}`] }),
    good,
  ],
  ['A17: a JSON body', (t) => json('/me', { access_token: t }), missing],
  ['A23: an object in a JSON body', () => json('/me', { access_token: { $ne: null } }), missing],
  ['A23: a list in a JSON body', (t) => json('/me', { access_token: [t] }), missing],
  ['A22: 90 KB in a JSON body', () => json('/me', { access_token: 'a'.repeat(90_000) }), missing],
  ['A17: a form', (t) => form(`access_token=${t}`), missing],
  [
    'A19: a forged header and a good body',
    (t) => ({
      ...json('/me', { access_token: t }),
      lines: [...json('/me', 0).lines, `Authorization: Bearer ${FORGED}`],
    }),
    unknown,
  ],
  ['A17: cookies', (t) => [`Cookie: access_token=${t}; token=${t}; authorization=Bearer ${t}; sid=${t}`], missing],
  ['A32: another header', (t) => [`X-Authorization: Bearer ${t}`], missing],
  ['A32: Proxy-Authorization', (t) => [`Proxy-Authorization: Bearer ${t}`], missing],
  [
    'A32: headers of proxies and frameworks',
    () => [
      ...['X-User-Id', 'X-Forwarded-User', 'X-Remote-User', 'Remote-User'].map((name) => `${name}: alice`),
      'X-Middleware-Subrequest: middleware:middleware:middleware',
      'X-Original-URL: /public',
      'X-Rewrite-URL: /public',
      'X-HTTP-Method-Override: OPTIONS',
    ],
    missing,
  ],
];

function utf8(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function twice(first: string, second: string): string[] {
  return [`Authorization: ${first}`, `Authorization: ${second}`];
}

const asRequest = (request: readonly string[] | RawRequest): RawRequest =>
  Array.isArray(request) ? { lines: request as readonly string[] } : (request as RawRequest);

describe.each(adapters)('the Authorization header on $name', (kind) => {
  const server = useApp(() => startApp(kind, root()));
  let token: string;
  let queries: () => number;
  beforeAll(async () => (token = (await server.tokens.login('alice')).accessToken));

  beforeEach(() => {
    handled = 0;
    queries = countQueries();
  });

  afterEach(() => void jest.restoreAllMocks());

  it.each(matrix)('%s', async (_title, ask, answer) => {
    expect(verdict(await server.send(asRequest(ask(token))))).toEqual(answer);
    expect(handled).toBe(answer === good ? 1 : 0);
    expect(queries()).toBe(answer === good ? 1 : 0);
  });

  it('A32, A106: a body or query that names a user changes nothing', async () => {
    const request = {
      ...json('/me', { userId: 'bob', user: { userId: 'bob' } }),
      path: '/me?userId=bob&user[userId]=bob',
    };
    expect((await server.sendWith(token, request)).json).toEqual({ userId: 'alice' });
  });

  it('A21, A26: no header text makes a 500, or a query unless it holds the token', async () => {
    const scheme = fc.oneof(
      fc.constantFrom('Bearer', 'bearer', 'Basic', '', 'BEARER,', 'Bearer:'),
      fc.string({ maxLength: 8 }),
    );
    const gap = fc.constantFrom(' ', '  ', '\t', '', ' \t ', ',', '=');
    const text = fc.oneof(
      fc.constantFrom(token, `${token} `, ` ${token}`, token.toUpperCase(), FORGED, `${token}=`, token.slice(1)),
      fc
        .tuple(fc.nat(token.length), fc.string({ maxLength: 3 }))
        .map(([at, s]) => token.slice(0, at) + s + token.slice(at)),
      fc.string({
        maxLength: 700,
        unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
      }),
      fc.base64String({ maxLength: 600 }),
    );
    await fc.assert(
      fc.asyncProperty(scheme, gap, text, async (...parts) => {
        const before = queries();
        const value = parts.join('');
        const answer = await server.send({ lines: [`Authorization: ${value}`] });
        const holdsToken =
          /^[ \t]*bearer +/i.test(value) && value.replace(/^[ \t]+|[ \t]+$/g, '').replace(/^bearer +/i, '') === token;
        expect([200, 400, 401]).toContain(answer.status);
        expect(answer.status === 200).toBe(holdsToken);
        expect(queries() - before).toBe(holdsToken ? 1 : 0);
      }),
      { numRuns: rounds('properties') },
    );
  });
});

describe.each(adapters)('a server on $name that joins repeated header lines', (kind) => {
  const server = useApp(() => startApp(kind, root(), { joinDuplicateHeaders: true }));
  let token: string;
  beforeAll(async () => (token = (await server.tokens.login('alice')).accessToken));

  it.each([
    { first: 'Bearer', second: 'Bearer', answer: malformed },
    { first: 'Basic', second: 'Bearer', answer: missing },
    { first: 'Bearer', second: 'Basic', answer: malformed },
  ])('A24: $first and $second: $answer.status', async ({ first, second, answer }) => {
    const lines = twice(`${first} ${token}`, `${second} ${token}`);
    expect(verdict(await server.send({ lines }))).toEqual(answer);
  });

  it('A24: a single line is as ever', async () => {
    expect(verdict(await server.sendWith(token))).toEqual(good);
  });
});

describe.each(adapters)('a middleware on $name that puts something else in place of the header', (kind) => {
  let token: string;
  let inject: (token: string) => unknown;
  const server = useApp(() =>
    startApp(kind, root(), {
      configure: (app) =>
        app.use((request: { headers: Record<string, unknown> }, _response: unknown, next: () => void) => {
          request.headers.authorization = inject(token);
          next();
        }),
    }),
  );
  beforeAll(async () => (token = (await server.tokens.login('alice')).accessToken));

  const injections: readonly [string, (token: string) => unknown, ReturnType<typeof verdict>][] = [
    ['a list of one', (t) => [`Bearer ${t}`], malformed],
    ['a list of two', (t) => [`Bearer ${t}`, `Bearer ${t}`], malformed],
    ['an empty list', () => [], malformed],
    ['an object', (t) => ({ toString: () => `Bearer ${t}`, length: 6, 0: 'Bearer' }), malformed],
    ['a boxed string', (t) => new String(`Bearer ${t}`), malformed],
    ['a number', () => 42, malformed],
    ['zero', () => 0, malformed],
    ['true', () => true, malformed],
    ['null', () => null, malformed],
    ['undefined', () => undefined, missing],
    ['a good string', (t) => `Bearer ${t}`, good],
  ];

  it.each(injections)('A23, M11: %s', async (_title, injection, answer) => {
    inject = injection;
    expect(verdict(await server.send())).toEqual(answer);
  });
});

describe('the Authorization header over HTTP/2', () => {
  it('A24: is read as over HTTP/1', async () => {
    const http2 = { name: 'Fastify' as const, create: () => new FastifyAdapter({ http2: true }) };
    const server = await startApp(http2, root());
    const { accessToken } = await server.tokens.login('alice');
    const client = connectHttp2(`http://127.0.0.1:${server.port}`);
    const statusWith = (headers: Record<string, string>) =>
      new Promise<unknown>((resolve, reject) => {
        const stream = client.request({ [constants.HTTP2_HEADER_PATH]: '/me', ...headers });
        stream.on('response', (answer) => resolve([answer[':status'], answer['www-authenticate']]));
        stream.on('error', reject);
        stream.resume().end();
      });
    try {
      expect(await statusWith({ authorization: `Bearer ${accessToken}` })).toEqual([200, undefined]);
      expect(await statusWith({})).toEqual([401, missing.challenge]);
      expect(await statusWith({ authorization: `Bearer ${FORGED}` })).toEqual([401, unknown.challenge]);
      expect(await statusWith({ authorization: 'Bearer' })).toEqual([400, malformed.challenge]);
    } finally {
      await new Promise<void>((resolve) => client.close(resolve));
      await server.close();
    }
  });
});

describe('readBearer', () => {
  it('A21: finds in any value a token of the right alphabet, or none, and never throws', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything(),
          fc.string(),
          fc.string().map((s) => `Bearer ${s}`),
        ),
        (value) => {
          const { token, refusal } = readBearer(value);
          if (token === null) expect(refusal).toMatch(/^TOKEN_M/);
          else expect(token).toMatch(/^[\w.~+/-]+=*$/);
        },
      ),
      { numRuns: rounds('properties') },
    );
  });
});
