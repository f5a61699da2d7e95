import { createHash, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Controller, Module } from '@nestjs/common';
import fc from 'fast-check';
import { SessionModule, TokenService, multiDevice } from 'nestjs-latchkey';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { TokenMint } from '../support/mint.js';
import { SECRET, type Sessions, startSessions } from '../support/sessions.js';
import {
  type HttpApp,
  MeController,
  adapters,
  answersOf,
  countQueries,
  sessionOptions,
  startApp,
  useApp,
  verdict,
} from './http-app.js';

const OTHER_SECRET = 'another secret of the tests, of thirty-two bytes and more';
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const { good, malformed, unknown } = answersOf('users');
const root = (options: Parameters<typeof sessionOptions>[0] = {}) => ({
  imports: [SessionModule.forRoot(sessionOptions({ policy: multiDevice(), ...options }))],
  controllers: [MeController],
});

afterEach(() => void jest.restoreAllMocks());

function replaceAt(text: string, index: number, character: string): string {
  return text.slice(0, index) + character + text.slice(index + 1);
}

describe.each(adapters)('the one spelling of a token on $name', (kind) => {
  const server = useApp(() => startApp(kind, root()));

  const respellings: readonly [string, (token: string) => string, ReturnType<typeof verdict>][] = [
    ['padding', (t) => `${t}=`, unknown],
    ['much padding', (t) => `${t}====`, unknown],
    ['a full stop behind', (t) => `${t}.`, unknown],
    ['a full stop within', (t) => replaceAt(t, 40, '.'), unknown],
    ['a slash for the underscores', (t) => t.replace(/_/g, '/'), unknown],
    ['standard base64', (t) => t.slice(0, 7) + t.slice(7).replace(/-/g, '+').replace(/_/g, '/'), unknown],
    ['- and _ exchanged', (t) => t.slice(0, 7) + t.slice(7).replace(/[-_]/g, (c) => (c === '-' ? '_' : '-')), unknown],
    ['upper case', (t) => t.toUpperCase(), unknown],
    ['lower case', (t) => t.toLowerCase(), unknown],
    ['the prefix in upper case', (t) => t.replace('ses_at_', 'SES_AT_'), unknown],
    ['no prefix', (t) => t.slice(7), unknown],
    ['the prefix twice', (t) => `ses_at_${t}`, unknown],
    ['another kind', (t) => t.replace('_at_', '_rt_'), unknown],
    ['another prefix', (t) => t.replace('ses_', 'app_'), unknown],
    ['the first character missing', (t) => t.slice(1), unknown],
    ['the last character missing', (t) => t.slice(0, -1), unknown],
    ['twice', (t) => t + t, unknown],
    ['reversed', (t) => [...t].reverse().join(''), unknown],
    ['a space within', (t) => `${t.slice(0, 50)} ${t.slice(50)}`, malformed],
    ['a line separator behind', (t) => `${t}\u0085`, malformed],
  ];

  it.each(respellings)('A8: %s', async (_title, respell, answer) => {
    const { accessToken } = await server.tokens.login('bob');
    // A token without - or _ would come out of some of these as it went in.
    const spelling = respell(accessToken) === accessToken ? `${accessToken}-` : respell(accessToken);
    const queries = countQueries();
    expect(verdict(await server.sendWith(spelling))).toEqual(answer);
    expect(queries()).toBe(0);
    expect(verdict(await server.sendWith(accessToken))).toEqual(good);
  });

  it('A107: neither the id of a session nor the hash of its token opens anything', async () => {
    const { accessToken, session } = await server.tokens.login('alice');
    const hash = createHash('sha256').update(accessToken).digest();
    const queries = countQueries();
    const spellings = [session.id, hash.toString('hex'), hash.toString('base64url'), `ses_at_${session.id.repeat(3)}`];
    for (const spelling of spellings) expect(verdict(await server.sendWith(spelling))).toEqual(unknown);
    expect(queries()).toBe(0);
  });

  it('A7: a token that nobody made becomes no session, though a login presents it', async () => {
    const made = `ses_at_${randomBytes(72).toString('base64url')}`;
    const signed = mintOf().mint('at', '0123456789abcdef0123456789abcdef', 1).token;
    for (const presentedToken of [made, signed]) {
      const { accessToken } = await server.tokens.login('alice', { presentedToken });
      expect(accessToken).not.toBe(presentedToken);
      expect(verdict(await server.sendWith(presentedToken))).toEqual(unknown);
      expect(verdict(await server.sendWith(accessToken))).toEqual(good);
    }
  });
});

function mintOf(options: { secret?: string; realm?: string; prefix?: string } = {}): TokenMint {
  return new TokenMint(options.secret ?? SECRET, options.realm, options.prefix);
}

describe('tokens of others', () => {
  let sessions: Sessions;
  let tokens: TokenService;
  let token: string;
  let sessionId: string;

  beforeAll(async () => {
    sessions = await startSessions(sessionOptions());
    ({ tokens } = sessions);
    const login = await tokens.login('alice');
    token = login.accessToken;
    sessionId = login.session.id;
  });

  afterAll(() => sessions.close());

  it('A4, A8: every other character in every place is refused without a query', async () => {
    const queries = countQueries();
    for (let index = 0; index < token.length; index++) {
      for (const character of ALPHABET) {
        if (character === token[index]) continue;
        const result = await tokens.verify(replaceAt(token, index, character));
        if (result.status !== 'INVALID' || result.reason !== 'TOKEN_INVALID') {
          throw new Error(`${character} at ${index} gives ${result.status}`);
        }
      }
    }
    expect(queries()).toBe(0);
    expect((await tokens.verify(token)).status).toBe('VALID');
  });

  it.each([
    ['of another secret', { secret: OTHER_SECRET }],
    ['of another realm', { realm: 'admins' }],
    ['of another prefix', { prefix: 'app' }],
  ])('A5, A6: a token %s with every other field right is refused without a query', async (_title, options) => {
    const queries = countQueries();
    const forged = mintOf(options).mint('at', sessionId, 1).token;
    expect(await tokens.verify(forged)).toEqual({ status: 'INVALID', reason: 'TOKEN_INVALID' });
    expect(queries()).toBe(0);
  });

  it.each(['rt', 'AT', 'at_', '', 'jwt'])('A6: a token of kind "%s" is refused without a query', async (tokenKind) => {
    const queries = countQueries();
    const forged = mintOf().mint(tokenKind as 'at', sessionId, 1).token;
    expect(await tokens.verify(forged)).toEqual({ status: 'INVALID', reason: 'TOKEN_INVALID' });
    // The MAC covers the kind as well, so renaming one does not help.
    const renamed = forged.replace(`ses_${tokenKind}_`, 'ses_at_');
    expect(await tokens.verify(renamed)).toEqual({ status: 'INVALID', reason: 'TOKEN_INVALID' });
    expect(queries()).toBe(0);
  });

  it('A5: a right MAC is no proof: the hash decides', async () => {
    const twin = mintOf().mint('at', sessionId, 1).token;
    expect(await tokens.verify(twin)).toEqual({ status: 'INVALID', reason: 'TOKEN_INVALID' });
    const nobodys = mintOf().mint('at', 'f'.repeat(32), 1).token;
    expect(await tokens.verify(nobodys)).toEqual({ status: 'INVALID', reason: 'TOKEN_INVALID' });
  });

  it('A36: a token newer than its row is not the fault of the client', async () => {
    expect((await tokens.verify(mintOf().mint('at', sessionId, 2).token)).status).toBe('UNKNOWN');
  });

  it('A23: what is not text is malformed, without a query', async () => {
    const queries = countQueries();
    await fc.assert(
      fc.asyncProperty(fc.anything(), async (value) => {
        const result = await tokens.verify(value);
        expect(result.status).toBe('INVALID');
      }),
    );
    const result = await tokens.verify(new String(token));
    expect(result).toEqual({ status: 'INVALID', reason: 'TOKEN_MALFORMED' });
    expect(queries()).toBe(0);
  });
});

describe.each(adapters)('two SessionModules in one process on $name', (kind) => {
  let database: TestDatabase;
  const running: HttpApp[] = [];

  beforeAll(async () => (database = await kindsOf('sqlite')[0]!.create()));

  afterEach(async () => {
    await Promise.all(running.splice(0).map((server) => server.close()));
  });

  afterAll(() => database.drop());

  const start = async (options: Parameters<typeof root>[0]) => {
    const server = await startApp(kind, root({ database: database.options, ...options }));
    running.push(server);
    return server;
  };

  it.each([
    ['realms', { realm: 'one' }, { realm: 'two' }],
    ['secrets', { realm: 'one' }, { realm: 'one', secret: OTHER_SECRET }],
    ['prefixes', { realm: 'one' }, { realm: 'one', tokenPrefix: 'two' }],
  ])('A6, A30, M10: applications with different %s do not know each other', async (_title, first, second) => {
    const servers = [await start(first), await start(second)];
    const logins = [await servers[0]!.tokens.login('alice'), await servers[1]!.tokens.login('bob')];
    const queries = countQueries();
    for (const [index, { accessToken }] of logins.entries()) {
      const own = servers[index]!;
      const foreign = servers[1 - index]!;
      const before = queries();
      expect(verdict(await foreign.sendWith(accessToken))).toMatchObject({ status: 401, errorCode: 'TOKEN_INVALID' });
      expect(queries()).toBe(before);
      expect((await own.sendWith(accessToken)).json).toEqual({ userId: ['alice', 'bob'][index] });
    }
  });

  it('A30: applications with the same options on one database are the same service', async () => {
    const [one, two] = [await start({ realm: 'one' }), await start({ realm: 'one' })];
    const { accessToken } = await one.tokens.login('alice');
    expect((await two.sendWith(accessToken)).json).toEqual({ userId: 'alice' });
  });

  it('A30: closing one leaves the other at work', async () => {
    const [one, two] = [await start({ realm: 'one' }), await start({ realm: 'two' })];
    const { accessToken } = await two.tokens.login('alice');
    await one.close();
    running.splice(running.indexOf(one), 1);
    expect((await two.sendWith(accessToken)).json).toEqual({ userId: 'alice' });
  });

  it('A6, A30: two realms of one application do not know each other', async () => {
    @Controller()
    class UsersController extends MeController {
      constructor(readonly tokens: TokenService) {
        super();
      }
    }
    @Controller('admin')
    class AdminsController extends UsersController {}
    const realms = ['users', 'admins'].map((realm) =>
      SessionModule.forRoot(sessionOptions({ realm, database: database.options })),
    );
    @Module({ imports: [realms[0]!], controllers: [UsersController] })
    class UsersModule {}
    @Module({ imports: [realms[1]!], controllers: [AdminsController] })
    class AdminsModule {}

    const server = await startApp(kind, { imports: [UsersModule, AdminsModule] });
    running.push(server);
    const users = server.app.get(UsersController, { strict: false }).tokens;
    const admins = server.app.get(AdminsController, { strict: false }).tokens;
    const user = await users.login('alice');
    const admin = await admins.login('root');
    expect((await server.sendWith(user.accessToken)).json).toEqual({ userId: 'alice' });
    expect((await server.sendWith(admin.accessToken, { path: '/admin/me' })).json).toEqual({ userId: 'root' });
    const queries = countQueries();
    expect(verdict(await server.sendWith(admin.accessToken))).toEqual(answersOf('users').unknown);
    expect(verdict(await server.sendWith(user.accessToken, { path: '/admin/me' }))).toEqual(
      answersOf('admins').unknown,
    );
    expect(queries()).toBe(0);
  });
});
