import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AppUser } from './app-user.entity.js';
import { PasswordHasher } from './password-hasher.js';
import { SampleUsers } from './sample-users.js';
import { UsersService } from './users.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([AppUser])],
  providers: [PasswordHasher, SampleUsers, UsersService],
  exports: [UsersService],
})
export class UsersModule {}
