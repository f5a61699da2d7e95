import { Module } from '@nestjs/common';
import { OnlineUsersService } from 'nestjs-latchkey/admin';
import { AdminController } from './admin.controller.js';

@Module({ controllers: [AdminController], providers: [OnlineUsersService] })
export class AdminModule {}
