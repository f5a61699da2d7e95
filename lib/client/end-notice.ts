/** The server's explanation of a session's end. */
export interface SessionEndNotice {
  /** SESSION_REPLACED, SESSION_KICKED and so on; TOKEN_INVALID without a reason from the server. */
  readonly errorCode: string;
  /** Text for people. */
  readonly message: string;
  /** ISO 8601; for SESSION_REPLACED, SESSION_KICKED and SESSION_REVOKED. */
  readonly endedAt?: string;
  /** Login that replaced the session, for SESSION_REPLACED; `at` is ISO 8601. */
  readonly replacedBy?: {
    readonly deviceType: string | null;
    readonly deviceName: string | null;
    readonly at: string | null;
  };
}

const ENDS = /^(SESSION_(LOGGED_OUT|REPLACED|KICKED|REVOKED|EXPIRED|IDLE)|ACCOUNT_DISABLED|REFRESH_REUSED)$/;

/** True for codes of an ended session, whichever of its tokens was sent. */
export function isEnd(errorCode: string): boolean {
  return ENDS.test(errorCode);
}

/**
 * True for codes of an expired access token whose session may have another.
 * @param byCookie the browser may have dropped it
 */
export function asksForAnotherToken(errorCode: string, byCookie: boolean): boolean {
  if (errorCode === 'TOKEN_MISSING') return byCookie;
  return errorCode === 'TOKEN_EXPIRED' || errorCode === 'TOKEN_INVALID';
}

/** Parses a notice; null without an errorCode. */
export function readNotice(value: unknown): SessionEndNotice | null {
  if (typeof value !== 'object' || value === null) return null;
  const { errorCode, message, endedAt, replacedBy } = value as Partial<Record<string, unknown>>;
  if (typeof errorCode !== 'string') return null;
  return {
    errorCode,
    message: textOrNull(message) ?? '',
    ...(typeof endedAt === 'string' && { endedAt }),
    ...(typeof replacedBy === 'object' && replacedBy !== null && { replacedBy: readReplacement(replacedBy) }),
  };
}

function readReplacement({ deviceType, deviceName, at }: Partial<Record<string, unknown>>) {
  return { deviceType: textOrNull(deviceType), deviceName: textOrNull(deviceName), at: textOrNull(at) };
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** Longest body read: errors of the server are far shorter, so a longer body is something else. */
const MAX_BYTES = 65_536;
const MAX_MS = 3000;

/** Reads the body of a 401 from a clone. Null if it is no error of the library, or does not end. Never rejects. */
export async function readError(response: Response): Promise<SessionEndNotice | null> {
  if (!/[/+]json\b/i.test(response.headers.get('content-type') ?? '')) return null;
  try {
    return readNotice(JSON.parse(await readStart(response.clone())));
  } catch {
    return null;
  }
}

/** Cancels a body that will not be read. */
export function discard(body: ReadableStream | null | undefined): void {
  body?.cancel().catch(() => undefined);
}

async function readStart(response: Response): Promise<string> {
  const { body } = response;
  // React Native and other replacements of fetch have no streams. They buffer the whole body before they resolve.
  if (!body) return response.text();
  const reader = body.getReader();
  const stop = () => void reader.cancel().catch(() => undefined);
  const timer = setTimeout(stop, MAX_MS);
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const chunk = part.value as Uint8Array;
      text += decoder.decode(chunk, { stream: true });
      bytes += chunk.byteLength;
      if (bytes > MAX_BYTES) stop();
    }
    return text + decoder.decode();
  } finally {
    clearTimeout(timer);
  }
}
