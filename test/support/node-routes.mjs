// The routes of a node that answers HTTP. Plain JavaScript, so the decorators are called as functions.
import { Body, Controller, Get, HttpCode, Inject, Post, UseGuards } from '@nestjs/common';
import { AuthGuard, CurrentSession, TokenService } from 'nestjs-latchkey';

class Routes {
  constructor(tokens) {
    this.tokens = tokens;
  }

  me(session) {
    return { sessionId: session.id, userId: session.userId };
  }

  refresh(body) {
    return this.tokens.refresh(body.refreshToken);
  }
}
const describe = (name, ...decorators) => {
  const descriptor = Object.getOwnPropertyDescriptor(Routes.prototype, name);
  for (const decorate of decorators) decorate(Routes.prototype, name, descriptor);
};
describe('me', Get('me'), UseGuards(AuthGuard));
describe('refresh', Post('refresh'), HttpCode(200));
CurrentSession()(Routes.prototype, 'me', 0);
Body()(Routes.prototype, 'refresh', 0);
Inject(TokenService)(Routes, undefined, 0);
Controller()(Routes);

/** The root module of such a node; SessionModule comes with its imports. */
export class HttpRoot {}
Reflect.defineMetadata('controllers', [Routes], HttpRoot);
