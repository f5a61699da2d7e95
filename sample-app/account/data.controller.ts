import { Get, Param, type PipeTransform, Put } from '@nestjs/common';
import { CurrentSession, CurrentUser, type DataStore, SessionService } from 'nestjs-latchkey';
import { BodyInput, JsonRoutes, readBody } from '../http/input.js';

/** `{ value }`, which may be any JSON; null removes it. */
const readValue = (body: unknown): unknown => readBody(body, (input) => input.value('value'));

/** The name of an entry, which is a part of the path. */
const keyOf: PipeTransform<string> = {
  transform: (key) => readBody({ key }, (input) => input.optionalLine('key', 128)),
};

/** Key-values of the caller: `token-data` of this login, `account-data` of the account, shared by its devices. */
@JsonRoutes('me')
export class DataController {
  constructor(private readonly sessions: SessionService) {}

  @Get('token-data/:key')
  readOfToken(@CurrentSession('id') sessionId: string, @Param('key', keyOf) key: string) {
    return read(this.sessions.data(sessionId), key);
  }

  @Put('token-data/:key')
  writeOfToken(
    @CurrentSession('id') sessionId: string,
    @Param('key', keyOf) key: string,
    @BodyInput(readValue) value: unknown,
  ) {
    return write(this.sessions.data(sessionId), key, value);
  }

  @Get('account-data/:key')
  readOfAccount(@CurrentUser('userId') userId: string, @Param('key', keyOf) key: string) {
    return read(this.sessions.accountData(userId), key);
  }

  @Put('account-data/:key')
  writeOfAccount(
    @CurrentUser('userId') userId: string,
    @Param('key', keyOf) key: string,
    @BodyInput(readValue) value: unknown,
  ) {
    return write(this.sessions.accountData(userId), key, value);
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

async function write(store: DataStore, key: string, value: unknown): Promise<Entry> {
  if (value === null) await store.delete(key);
  else await store.set(key, value);
  return { key, value };
}
