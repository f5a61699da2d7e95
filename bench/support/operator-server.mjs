import 'reflect-metadata';
import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AuthGuard, SessionModule, TokenService } from 'nestjs-latchkey';
import { SessionAdminModule } from 'nestjs-latchkey/admin';
import { DataSource } from 'typeorm';
import { MysqlQueryRunner } from 'typeorm/driver/mysql/MysqlQueryRunner.js';
import { PostgresQueryRunner } from 'typeorm/driver/postgres/PostgresQueryRunner.js';
import { serveParent, settings } from './child.mjs';
import { logInAll } from './accounts.mjs';
import { SECRET } from './sessions.mjs';
import { plansOf } from './plans.mjs';

/**
 * A process with the routes for operators under /admin and a guarded route /me. Ready with { origin, token } of an operator.
 * It remembers the statements of the route that it was asked last, for `plans`.
 */
const { database } = settings();

let statements = null;
for (const { prototype } of [MysqlQueryRunner, PostgresQueryRunner]) {
  const { query } = prototype;
  prototype.query = function (statement, parameters, ...rest) {
    statements?.push({ text: statement.text ?? statement, parameters });
    return query.call(this, statement, parameters, ...rest);
  };
}

class Me {
  me() {
    return { ok: true };
  }
}
const method = Object.getOwnPropertyDescriptor(Me.prototype, 'me');
Get('me')(Me.prototype, 'me', method);
UseGuards(AuthGuard)(Me.prototype, 'me', method);
Controller()(Me);

class Root {}
const source = await new DataSource(database).initialize();
Module({
  imports: [
    SessionModule.forRoot({ secret: SECRET, database: source, isGlobal: true }),
    SessionAdminModule.forRoot({ authorize: ({ claims }) => claims.role === 'operator' }),
  ],
  controllers: [Me],
})(Root);
const app = await NestFactory.create(Root, new FastifyAdapter(), { logger: ['error'], abortOnError: false });
await app.listen(0, '127.0.0.1');
const origin = `http://127.0.0.1:${app.getHttpServer().address().port}`;
const tokens = app.get(TokenService, { strict: false });
const logInOperator = async () => (await tokens.login('operator', { claims: { role: 'operator' } })).accessToken;
const accessToken = await logInOperator();

serveParent(
  { origin, token: accessToken },
  {
    /** The plans of the statements that a route makes, on the large tables. @param {string} path */
    async plans(path) {
      statements = [];
      const answer = await fetch(origin + path, { headers: { authorization: `Bearer ${accessToken}` } });
      await answer.arrayBuffer();
      const made = statements;
      statements = null;
      if (made.length === 0) throw new Error(`${path} was answered ${answer.status} without a statement.`);
      return plansOf(source, made);
    },
    logInOperator,
    /** Sessions of as many accounts, by this method of login. Returns their tokens. */
    logIn: (count, loginMethod) =>
      logInAll(count, async ({ userId, ...claims }) => {
        const login = { deviceType: 'phone', loginMethod, claims };
        return (await tokens.login(`${loginMethod}-${userId}`, login)).accessToken;
      }),
  },
  async () => {
    await app.close();
    await source.destroy();
  },
);
