import { Body, Controller, Get, Param, Put } from '@nestjs/common';
import { CurrentSession, CurrentUser, type DataStore, TokenService } from 'nestjs-latchkey';
import { Input } from '../http/input.js';

/** Key-values of the caller: `token-data` of this login, `account-data` of the account, shared by its devices. */
@Controller('me')
export class DataController {
  constructor(private readonly tokens: TokenService) {}

  @Get('token-data/:key')
  readOfToken(@CurrentSession('id') sessionId: string, @Param('key') key: string) {
    return read(this.tokens.sessionData(sessionId), key);
  }

  @Put('token-data/:key')
  writeOfToken(@CurrentSession('id') sessionId: string, @Param('key') key: string, @Body() body: unknown) {
    return write(this.tokens.sessionData(sessionId), key, body);
  }

  @Get('account-data/:key')
  readOfAccount(@CurrentUser('userId') userId: string, @Param('key') key: string) {
    return read(this.tokens.accountData(userId), key);
  }

  @Put('account-data/:key')
  writeOfAccount(@CurrentUser('userId') userId: string, @Param('key') key: string, @Body() body: unknown) {
    return write(this.tokens.accountData(userId), key, body);
  }
}

interface Entry {
  readonly key: string;
  /** Null where there is none. */
  readonly value: unknown;
}

async function read(store: DataStore, key: string): Promise<Entry> {
  return { key, value: (await store.get(key)) ?? null };
}

/** Takes `{ value }`, which may be any JSON; null removes it. */
async function write(store: DataStore, key: string, body: unknown): Promise<Entry> {
  const value = new Input(body).value('value');
  if (value === null) await store.delete(key);
  else await store.set(key, value);
  return { key, value };
}
