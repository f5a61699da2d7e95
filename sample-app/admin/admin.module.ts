import { Module } from '@nestjs/common';
import { OnlineUsersService } from 'nestjs-latchkey/admin';
import { UsersModule } from '../users/users.module.js';
import { AccountsController } from './accounts.controller.js';
import { AdminController } from './admin.controller.js';

@Module({
  imports: [UsersModule],
  controllers: [AdminController, AccountsController],
  providers: [OnlineUsersService],
})
export class AdminModule {}
