/** Test of an application, for the globals of Jest and Vitest alike. */
import { Controller, Get, Post, UseGuards } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { AuthGuard, CurrentUser, TokenService } from 'nestjs-latchkey';
import { SessionTestingModule, actingAs, devicePolicyContract, fakeAuthGuard } from 'nestjs-latchkey/testing';
import { singleDevice } from 'nestjs-latchkey';

@UseGuards(AuthGuard)
@Controller('orders')
class OrdersController {
  @Get() owner(@CurrentUser('userId') userId: string) {
    return { owner: userId };
  }
}

@Controller('login')
class LoginController {
  constructor(private readonly tokens: TokenService) {}
  @Post() login() {
    return this.tokens.login('alice');
  }
}

async function owner(
  module: Awaited<ReturnType<ReturnType<typeof Test.createTestingModule>['compile']>>,
  login: boolean,
) {
  const app = module.createNestApplication();
  await app.listen(0, '127.0.0.1');
  const headers = login ? (await actingAs(app, { userId: 'alice' })).headers : {};
  const answer = (await (await fetch(`${await app.getUrl()}/orders`, { headers })).json()) as unknown;
  await app.close();
  return answer;
}

describe('an application', () => {
  it('is tested with a guard that admits everyone', async () => {
    const module = await Test.createTestingModule({ controllers: [OrdersController] })
      .overrideGuard(AuthGuard)
      .useValue(fakeAuthGuard({ userId: 'alice' }))
      .compile();
    expect(await owner(module, false)).toEqual({ owner: 'alice' });
  });

  it('is tested with real sessions', async () => {
    const controllers = [OrdersController, LoginController];
    const module = await Test.createTestingModule({ imports: [SessionTestingModule.forRoot()], controllers }).compile();
    expect(await owner(module, true)).toEqual({ owner: 'alice' });
  });

  for (const { name, run } of devicePolicyContract(singleDevice())) it(`has a policy that ${name}`, run);
});
