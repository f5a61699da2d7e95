import { Readable } from 'node:stream';
import { Get, Logger, StreamableFile } from '@nestjs/common';
import { OperatorAudit } from '../../database/transactions/audit.js';
import { LISTED_FIELDS } from '../../model/session-fields.js';
import { describeError } from '../../model/session-error.js';
import { type EventItem, toEventItem, toSessionItem } from './admin-items.js';
import type { SessionItem } from './session-item.js';
import { type KnownOperator, NeedsRight, CurrentOperator, AdminRoutes } from '../access/admin.guard.js';
import { readEventsExport, readOnlineExport } from './admin-requests.js';
import { auditedFilter, forbidAddresses, withinRights } from '../access/filter-rights.js';
import type { Page } from '../lists/cursor.js';
import { EXPORT_TYPES, type ExportFormat, exportText } from '../lists/list-export.js';
import { MAX_PAGE, QueryFields } from '../../nest/http/request-input.js';
import { OnlineUsersService } from '../lists/online-users.service.js';
import { UserDirectory, type View } from '../lists/user-directory.js';

const SESSION_COLUMNS = [
  'sessionId',
  'userId',
  'username',
  ...LISTED_FIELDS,
] as const satisfies readonly (keyof SessionItem)[];

const EVENT_COLUMNS = [
  'id',
  'at',
  'type',
  'userId',
  'username',
  'sessionId',
  'reason',
  'actor',
  'ip',
  'deviceType',
  'deviceName',
  'ended',
  'detail',
] as const satisfies readonly (keyof EventItem)[];

/** Downloads of whole lists, read page by page while they are sent. */
@AdminRoutes()
export class ExportController {
  private readonly logger = new Logger('SessionAdminModule');

  constructor(
    private readonly online: OnlineUsersService,
    private readonly users: UserDirectory,
    private readonly audit: OperatorAudit,
  ) {}

  @Get('online-users/export')
  @NeedsRight('export')
  async sessions(
    @QueryFields(readOnlineExport) { criteria, format }: ReturnType<typeof readOnlineExport>,
    @CurrentOperator() operator: KnownOperator,
  ) {
    const wanted = withinRights(operator, criteria);
    const portions = this.portions(this.online.pages({ ...wanted, limit: MAX_PAGE }), operator, toSessionItem);
    return this.file('online-users', format, wanted, operator, SESSION_COLUMNS, portions);
  }

  @Get('events/export')
  @NeedsRight('export')
  async events(
    @QueryFields(readEventsExport) { criteria: wanted, format }: ReturnType<typeof readEventsExport>,
    @CurrentOperator() operator: KnownOperator,
  ) {
    forbidAddresses(operator, wanted.ip);
    const pages = pagesOf((cursor) => this.online.events({ ...wanted, limit: MAX_PAGE, cursor }));
    return this.file('events', format, wanted, operator, EVENT_COLUMNS, this.portions(pages, operator, toEventItem));
  }

  private async *portions<T extends { readonly userId: string | null }, I>(
    pages: AsyncIterable<readonly T[]>,
    operator: KnownOperator,
    toItem: (item: T, view: View) => I,
  ): AsyncGenerator<readonly I[]> {
    for await (const items of pages) {
      await operator.stillAllowed();
      yield this.users.show(items, operator, toItem);
    }
  }

  /** Audited before the first byte is sent, because the download may break off at any point. */
  private async file<T extends object>(
    list: string,
    format: ExportFormat,
    wanted: object,
    { userId }: KnownOperator,
    columns: readonly (keyof T & string)[],
    portions: AsyncIterable<readonly T[]>,
  ): Promise<StreamableFile> {
    const detail = { list, format, filter: auditedFilter(wanted) };
    await this.audit.record({ type: 'EXPORTED', by: userId, detail });
    const options = { type: EXPORT_TYPES[format], disposition: `attachment; filename="${list}.${format}"` };
    const file = new StreamableFile(Readable.from(exportText(format, columns, portions)), options);
    file.setErrorLogger((error) => this.logger.warn(`Export aborted: ${describeError(error)}`));
    const { errorHandler } = file;
    return file.setErrorHandler((error, response) => {
      // Nest 11 would end the response as if it were complete.
      if (response.headersSent) (response as unknown as Readable).destroy();
      else errorHandler(error, response);
    });
  }
}

async function* pagesOf<T>(read: (cursor: string | null) => Promise<Page<T>>): AsyncGenerator<readonly T[]> {
  let cursor: string | null = null;
  do {
    const page: Page<T> = await read(cursor);
    yield page.items;
    cursor = page.nextCursor;
  } while (cursor !== null);
}
