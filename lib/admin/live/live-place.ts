import { SessionError } from '../../model/session-error.js';
import { checksum } from '../lists/cursor.js';

/** The id of messages sent before the first change. */
const NOWHERE = '0';

/**
 * The ids of the messages of a live stream: the id of the last change, and a checksum by which an id that is cut, of another
 * realm, or of anything else is told from one that was given out here.
 */
export class LivePlaces {
  private readonly scope: string;

  constructor(realm: string) {
    this.scope = JSON.stringify([realm, 'live']);
  }

  /** @param eventId of the last change; null for none */
  write(eventId: string | null): string {
    return eventId === null ? NOWHERE : eventId + checksum(this.scope, eventId, 'hex');
  }

  /** The id of the last change that a client was told. @throws SessionError CURSOR_INVALID */
  read(lastEventId: string | undefined): string | null {
    if (lastEventId === undefined || lastEventId === '' || lastEventId === NOWHERE) return null;
    const eventId = /^[0-9a-f]{32}/.exec(lastEventId)?.[0] ?? null;
    if (eventId === null || this.write(eventId) !== lastEventId) throw new SessionError('CURSOR_INVALID');
    return eventId;
  }
}
