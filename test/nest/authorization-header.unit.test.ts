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

interface Case {
  readonly title: string;
  /** The request, given a good token; a list is its header lines. */
  readonly request: (token: string) => readonly string[] | RawRequest;
  readonly answer: ReturnType<typeof verdict>;
}

/** Same bytes in, same answer out on both frameworks. */
const matrix: readonly Case[] = [
  { title: 'A34: no header', request: () => [], answer: missing },
  { title: 'A34: an empty header', request: () => ['Authorization:'], answer: missing },
  { title: 'A34: a header of blanks', request: () => ['Authorization:  \t '], answer: missing },
  { title: 'A25: Basic', request: () => ['Authorization: Basic YTpi'], answer: missing },
  { title: 'A25: Basic that holds a token', request: (t) => [`Authorization: Basic ${t}`], answer: missing },
  { title: 'A25: DPoP', request: (t) => [`Authorization: DPoP ${t}`], answer: missing },
  { title: 'A25: a token without a scheme', request: (t) => [`Authorization: ${t}`], answer: missing },
  { title: 'A25: a scheme that begins like ours', request: (t) => [`Authorization: BearerX ${t}`], answer: missing },
  { title: 'A25: scheme and token run together', request: (t) => [`Authorization: Bearer${t}`], answer: missing },
  { title: 'A20: Bearer', request: (t) => [`Authorization: Bearer ${t}`], answer: good },
  { title: 'A20: bearer', request: (t) => [`Authorization: bearer ${t}`], answer: good },
  { title: 'A20: BEARER', request: (t) => [`Authorization: BEARER ${t}`], answer: good },
  { title: 'A20: two spaces', request: (t) => [`Authorization: Bearer  ${t}`], answer: good },
  { title: 'A20: blanks around the value', request: (t) => [`aUTHORIZATION: \t Bearer ${t} \t`], answer: good },
  { title: 'A20: a tab in place of the space', request: (t) => [`Authorization: Bearer\t${t}`], answer: malformed },
  { title: 'A20: a space and a tab', request: (t) => [`Authorization: Bearer \t${t}`], answer: malformed },
  { title: 'A21: Bearer alone', request: () => ['Authorization: Bearer'], answer: malformed },
  { title: 'A21: Bearer and a space', request: () => ['Authorization: Bearer '], answer: malformed },
  { title: 'A21: two words', request: () => ['Authorization: Bearer a b'], answer: malformed },
  { title: 'A21: a token and a word', request: (t) => [`Authorization: Bearer ${t} x`], answer: malformed },
  { title: 'A21: a colon after the scheme', request: (t) => [`Authorization: Bearer: ${t}`], answer: malformed },
  { title: 'A21: padding alone', request: () => ['Authorization: Bearer =='], answer: malformed },
  { title: 'A21: padding in the middle', request: () => ['Authorization: Bearer a=b'], answer: malformed },
  { title: 'A21: one letter', request: () => ['Authorization: Bearer a'], answer: unknown },
  { title: 'A21: names of prototypes', request: () => ['Authorization: Bearer __proto__'], answer: unknown },
  { title: 'A26: quotes', request: (t) => [`Authorization: Bearer "${t}"`], answer: malformed },
  { title: 'A26: a comma list', request: (t) => [`Authorization: Bearer ${t},${t}`], answer: malformed },
  {
    title: 'A26: a list of challenges',
    request: (t) => [`Authorization: Bearer ${t}, Bearer ${t}`],
    answer: malformed,
  },
  {
    title: 'A26: percent-encoding',
    request: (t) => [`Authorization: Bearer ${t.replace('_', '%5F')}`],
    answer: malformed,
  },
  { title: 'A26: UTF-8', request: (t) => [`Authorization: Bearer ${utf8(`ü${t}`)}`], answer: malformed },
  { title: 'A26: a no-break space', request: (t) => [`Authorization: Bearer\u00a0${t}`], answer: malformed },
  {
    title: 'A26: a BOM before the scheme',
    request: (t) => [`Authorization: ${utf8('\ufeff')}Bearer ${t}`],
    answer: missing,
  },
  {
    title: 'A26: a BOM before the token',
    request: (t) => [`Authorization: Bearer ${utf8('\ufeff')}${t}`],
    answer: malformed,
  },
  { title: 'A26: NUL', request: (t) => [`Authorization: Bearer ${t}\0`], answer: parser(400) },
  { title: 'A26: a control character', request: (t) => [`Authorization: Bearer \x01${t}`], answer: parser(400) },
  { title: 'A26: DEL', request: (t) => [`Authorization: Bearer ${t}\x7f`], answer: parser(400) },
  { title: 'A26: a folded header', request: (t) => ['Authorization: Bearer', ` ${t}`], answer: parser(400) },
  { title: 'A26: a bare CR', request: (t) => [`Authorization: Bearer x\rX: ${t}`], answer: parser(400) },
  { title: 'A26: a space before the colon', request: (t) => [`Authorization : Bearer ${t}`], answer: parser(400) },
  { title: 'A22: 512 characters', request: () => [`Authorization: Bearer ${'a'.repeat(512)}`], answer: unknown },
  { title: 'A22: 513 characters', request: () => [`Authorization: Bearer ${'a'.repeat(513)}`], answer: malformed },
  { title: 'A22: 600 characters', request: () => [`Authorization: Bearer ${'a'.repeat(600)}`], answer: malformed },
  { title: 'A22: 8 KB', request: () => [`Authorization: Bearer ${'a'.repeat(8192)}`], answer: malformed },
  { title: 'A22: 15 KB', request: () => [`Authorization: Bearer ${'a'.repeat(15_360)}`], answer: malformed },
  {
    title: 'A22: 15 KB of spaces',
    request: (t) => [`Authorization: Bearer${' '.repeat(15_000)}${t}`],
    answer: malformed,
  },
  { title: 'A22: 20 KB', request: () => [`Authorization: Bearer ${'a'.repeat(20_480)}`], answer: parser(431) },
  { title: 'A24: the first line is good', request: (t) => twice(`Bearer ${t}`, `Bearer ${FORGED}`), answer: good },
  { title: 'A24: the second line is good', request: (t) => twice(`Bearer ${FORGED}`, `Bearer ${t}`), answer: unknown },
  { title: 'A24: the first line is Basic', request: (t) => twice('Basic YTpi', `Bearer ${t}`), answer: missing },
  { title: 'A24: the first line is malformed', request: (t) => twice('Bearer', `Bearer ${t}`), answer: malformed },
  { title: 'A17: a query', request: (t) => ({ path: `/me?access_token=${t}` }), answer: missing },
  {
    title: 'A17: a query twice',
    request: (t) => ({ path: `/me?access_token=${t}&access_token=${t}` }),
    answer: missing,
  },
  {
    title: 'A25: Basic and a query',
    request: (t) => ({ path: `/me?access_token=${t}`, lines: ['Authorization: Basic YTpi'] }),
    answer: missing,
  },
  {
    title: 'A19: a forged header and a good query',
    request: (t) => ({ path: `/me?access_token=${t}`, lines: [`Authorization: Bearer ${FORGED}`] }),
    answer: unknown,
  },
  {
    title: 'A19: a good header and a forged query, which is not read',
    request: (t) => ({ path: `/me?access_token=${FORGED}`, lines: [`Authorization: Bearer ${t}`] }),
    answer: good,
  },
  { title: 'A17: a JSON body', request: (t) => json('/me', { access_token: t }), answer: missing },
  {
    title: 'A23: an object in a JSON body',
    request: () => json('/me', { access_token: { $ne: null } }),
    answer: missing,
  },
  { title: 'A23: a list in a JSON body', request: (t) => json('/me', { access_token: [t] }), answer: missing },
  {
    title: 'A22: 90 KB in a JSON body',
    request: () => json('/me', { access_token: 'a'.repeat(90_000) }),
    answer: missing,
  },
  { title: 'A17: a form', request: (t) => form(`access_token=${t}`), answer: missing },
  {
    title: 'A19: a forged header and a good body',
    request: (t) => ({
      ...json('/me', { access_token: t }),
      lines: [...json('/me', 0).lines, `Authorization: Bearer ${FORGED}`],
    }),
    answer: unknown,
  },
  {
    title: 'A17: cookies',
    request: (t) => [`Cookie: access_token=${t}; token=${t}; authorization=Bearer ${t}; sid=${t}`],
    answer: missing,
  },
  { title: 'A32: another header', request: (t) => [`X-Authorization: Bearer ${t}`], answer: missing },
  { title: 'A32: Proxy-Authorization', request: (t) => [`Proxy-Authorization: Bearer ${t}`], answer: missing },
  {
    title: 'A32: headers of proxies and frameworks',
    request: () => [
      'X-User-Id: alice',
      'X-Forwarded-User: alice',
      'X-Remote-User: alice',
      'Remote-User: alice',
      'X-Middleware-Subrequest: middleware:middleware:middleware',
      'X-Original-URL: /public',
      'X-Rewrite-URL: /public',
      'X-HTTP-Method-Override: OPTIONS',
    ],
    answer: missing,
  },
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

  afterEach(() => {
    jest.restoreAllMocks();
  });

  it.each(matrix)('$title: $answer.status', async ({ request, answer }) => {
    expect(verdict(await server.send(asRequest(request(token))))).toEqual(answer);
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
