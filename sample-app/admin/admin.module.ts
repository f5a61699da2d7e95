import { Module } from '@nestjs/common';
import { type Operator, SessionAdminModule } from 'nestjs-latchkey/admin';
import { UsersModule } from '../users/users.module.js';
import { UsersService } from '../users/users.service.js';
import { TokenDataController } from './token-data.controller.js';
import { isAdmin } from './is-admin.js';

/** Everything under /admin but what the data of a session is comes from the library. */
@Module({
  imports: [
    SessionAdminModule.forRootAsync({
      path: 'admin',
      imports: [UsersModule],
      inject: [UsersService],
      useFactory: (users: UsersService) => ({
        authorize: ({ claims }: Operator) => isAdmin(claims),
        describeUsers: async (userIds: readonly string[]) =>
          (await users.findAll(userIds)).map(({ username }) => ({ userId: username, username })),
        // Not for a user with rights of an operator, which would be a way to act under another one's name.
        impersonate: async (userId: string) => {
          const user = await users.find(userId);
          return user?.role === '' ? { claims: { username: user.username, roles: [] } } : null;
        },
        console: {
          login: '/auth/login',
          refresh: '/auth/refresh',
          logout: '/auth/logout',
          reauthenticate: '/auth/confirm-password',
          title: 'Sessions of the sample application',
        },
      }),
    }),
  ],
  controllers: [TokenDataController],
})
export class AdminModule {}
