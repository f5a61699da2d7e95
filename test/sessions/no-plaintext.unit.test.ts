import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { NestFactory } from '@nestjs/core';
import { SessionModule, type TokenMode, accessAndRefresh, fixed, singleDevice, sliding } from 'nestjs-latchkey';
import { jwt } from 'nestjs-latchkey/jwt';
import { ManualClock } from 'nestjs-latchkey/testing';
import { DataSource } from 'typeorm';
import { TokenCodec } from 'lib/token-codec.js';
import { JwtAccessTokens } from 'lib/jwt-access-tokens.js';
import { serviceKinds } from '../support/databases.js';
import { SECRET, type Services, servicesOf, startSessions } from '../support/sessions.js';
import { HOUR, MINUTE } from './harness.js';

const { privateKey } = generateKeyPairSync('ed25519');
const modes: Readonly<Record<string, TokenMode>> = {
  fixed: fixed(),
  sliding: sliding(),
  refresh: accessAndRefresh(),
  jwt: jwt({ keys: [{ kid: 'one', privateKey }], issuer: 'test', audience: 'test' }),
};

async function live({ tokens, sessions, operators }: Services, clock: ManualClock): Promise<void> {
  const attempt = (work: Promise<unknown>) => work.catch((error: unknown) => error);
  const ticket = await tokens.beginLogin('alice');
  const first = await tokens.login('alice', { ticket, deviceType: 'phone', userAgent: 'test', ip: '192.0.2.1' });
  await tokens.verify(first.accessToken, { ip: '192.0.2.1' });
  await attempt(sessions.data(first.session.id).set('cart', [1]));
  clock.advance(2 * HOUR - 4 * MINUTE);
  const used = await tokens.verify(first.accessToken);
  if (used.status === 'VALID' && used.renewed) await tokens.verify(used.renewed.accessToken);
  const next = (await attempt(tokens.refresh(first.refreshToken))) as { accessToken?: string; refreshToken?: string };
  await attempt(tokens.refresh(first.refreshToken));
  await tokens.verify(next.accessToken);
  await attempt(sessions.reauthenticate(first.session.id));
  clock.advance(HOUR);
  await attempt(tokens.refresh(first.refreshToken));
  await tokens.verify(next.accessToken);
  const second = await tokens.login('alice', { presentedToken: first.accessToken });
  await operators.impersonate('alice', { by: 'admin', comment: 'a look' });
  await operators.ban('alice', { by: 'admin', service: 'comment' });
  await tokens.login('alice', { presentedToken: second.refreshToken ?? second.accessToken });
  await tokens.logout(second.accessToken);
  await tokens.verify(`${second.accessToken}x`);
  await attempt(tokens.login('alice', { ticket: second.accessToken }));
  await attempt(sessions.end('alice', second.accessToken));
  await attempt(sessions.reauthenticate(second.accessToken));
  await operators.kickUser('alice', { by: 'admin' });
}

describe.each(serviceKinds)('G9: with every kind of token on $name', (kind) => {
  afterEach(() => void jest.restoreAllMocks());

  it('A113: neither the database nor the log at debug level holds a token, or a part that would open anything', async () => {
    const minted = new Set<string>();
    for (const prototype of [TokenCodec.prototype, JwtAccessTokens.prototype]) {
      const target = prototype as unknown as { write(...args: unknown[]): string | Promise<string> };
      // eslint-disable-next-line @typescript-eslint/unbound-method -- applied to the object that it is called on
      const original = target.write;
      jest.spyOn(target, 'write').mockImplementation(function (this: unknown, ...args) {
        const token = original.apply(this, args);
        void Promise.resolve(token).then((text) => minted.add(text));
        return token;
      });
    }
    let log = '';
    for (const stream of [process.stdout, process.stderr]) {
      jest.spyOn(stream, 'write').mockImplementation((text) => {
        log += String(text);
        return true;
      });
    }
    const database = await kind.create();
    for (const [realm, tokens] of Object.entries(modes)) {
      const clock = new ManualClock(Date.UTC(2026, 0, 15));
      const options = { secret: SECRET, database: { ...database.options, logging: true }, realm, tokens, clock };
      const root = SessionModule.forRoot({ ...options, policy: singleDevice(), onReplace: 'keep' });
      const logger = ['verbose', 'debug', 'log', 'warn', 'error', 'fatal'] as const;
      const context = await NestFactory.createApplicationContext(root, { logger: [...logger], abortOnError: false });
      await context.init();
      await live(servicesOf(context), clock);
      await context.close();
    }
    const dump = await dumpOf(database);
    await database.drop();
    jest.restoreAllMocks();

    expect(minted.size).toBeGreaterThan(25);
    expect(log).toContain('NestFactory');
    // The search finds what is there: hashes and keys of sessions are.
    expect(dump).toContain('REFRESH_REUSED');
    for (const token of minted) {
      // The secret of an opaque token, the signature of a JWT.
      const secret = token.includes('.') ? token.split('.')[2]! : token.slice(7 + 27, 7 + 69);
      const bytes = Buffer.from(secret, 'base64url');
      const spellings = [secret, bytes.toString('hex'), bytes.toString('base64')];
      for (const part of spellings.flatMap((text) => [text.slice(0, 20), text.slice(-24, -4)])) {
        expect(dump.includes(part)).toBe(false);
        expect(log.includes(part)).toBe(false);
      }
    }
  });

  it('every test looks for tokens in its database at its end, and would find one', async () => {
    for (const tokens of [modes.refresh!, modes.jwt!]) {
      const database = await kind.create();
      const node = await startSessions({ database: database.options, tokens });
      const { accessToken, session } = await node.tokens.login('careless');
      await node.sessions.data(session.id).set('token', accessToken);
      await node.close();
      await expect(database.drop()).rejects.toThrow('The database holds a token');
    }
  });
});

/** All rows of all tables of the library, and the bytes of the file where there is one. */
async function dumpOf({ options }: { options: ConstructorParameters<typeof DataSource>[0] }): Promise<string> {
  const source = await new DataSource(options).initialize();
  const names = ['session', 'account', 'event', 'change', 'node', 'data'].map((name) => `latchkey_${name}`);
  const tables = await Promise.all(names.map((name) => source.query<unknown[]>(`SELECT * FROM ${name}`)));
  expect(tables.slice(0, 4).every((rows) => rows.length > 0)).toBe(true);
  await source.destroy();
  const dump = JSON.stringify(tables);
  if (options.type !== 'better-sqlite3') return dump;
  const directory = dirname(options.database);
  return (
    dump +
    readdirSync(directory)
      .map((file) => readFileSync(join(directory, file), 'latin1'))
      .join('')
  );
}
