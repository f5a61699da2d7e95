import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Post, UseGuards } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { AuthGuard, CurrentUser, RequireRole } from 'nestjs-latchkey';
import { SessionTestingModule, actingAs, fakeAuthGuard } from 'nestjs-latchkey/testing';

@UseGuards(AuthGuard)
@Controller('orders')
class OrdersController {
  @Get('owner') owner(@CurrentUser('userId') userId: string | null) {
    return { owner: userId };
  }
  @RequireRole('admin') @Post() create() {
    return { created: true };
  }
}

describe('OrdersController', () => {
  it('knows its user', async () => {
    const module = await Test.createTestingModule({ controllers: [OrdersController] })
      .overrideGuard(AuthGuard)
      .useValue(fakeAuthGuard({ userId: 'alice' })) // null for an anonymous request
      .compile();
    const app = module.createNestApplication();
    await app.listen(0);
    expect(await (await fetch(`${await app.getUrl()}/orders/owner`)).json()).toEqual({ owner: 'alice' });
    await app.close();
  });

  it('lets only administrators create orders', async () => {
    const module = await Test.createTestingModule({
      imports: [SessionTestingModule.forRoot()],
      controllers: [OrdersController],
    }).compile();
    const app = module.createNestApplication();
    await app.listen(0);
    const alice = await actingAs(app, { userId: 'alice', claims: { roles: ['admin'] } });
    const bob = await actingAs(app, { userId: 'bob' });
    const create = async (headers: Record<string, string>) =>
      (await fetch(`${await app.getUrl()}/orders`, { method: 'POST', headers })).status;
    expect(await create(alice.headers)).toBe(201);
    expect(await create(bob.headers)).toBe(403);
    expect(await create({})).toBe(401);
    await app.close();
  });
});
