import { invalidArgument } from '../core/session-error.js';

/**
 * A place in a list as text for clients. Opaque to them; checked when it comes back, since it may be anything then.
 */
export function encodeCursor(at: number, id: string): string {
  return Buffer.from(`${at}.${id}`).toString('base64url');
}

/** @throws SessionError ARGUMENT_INVALID for anything but a cursor of encodeCursor */
export function decodeCursor(cursor: unknown): { at: number; id: string } | null {
  if (cursor === undefined || cursor === null || cursor === '') return null;
  const match =
    typeof cursor === 'string' && cursor.length <= 128
      ? /^(\d{1,15})\.([0-9a-f]{32})$/.exec(Buffer.from(cursor, 'base64url').toString())
      : null;
  if (!match) throw invalidArgument('cursor', 'must be the nextCursor of an earlier page');
  return { at: Number(match[1]), id: match[2]! };
}
