import { type SessionEndNotice, readNotice } from './end-notice.js';

/** An error of the server is far shorter, and there at once; what goes on longer is something else. */
const MAX_BYTES = 65_536;
const MAX_MS = 3000;

/**
 * What a 401 says, read from a copy, so that the caller still has all of the body. Null where it is no error of the library,
 * cannot be read, or does not end. Never rejects.
 */
export async function readError(response: Response): Promise<SessionEndNotice | null> {
  if (!/[/+]json\b/i.test(response.headers.get('content-type') ?? '')) return null;
  try {
    return readNotice(JSON.parse(await readStart(response.clone())));
  } catch {
    return null;
  }
}

/** Lets go of an answer that nobody will read. */
export function discard(body: ReadableStream | null | undefined): void {
  body?.cancel().catch(() => undefined);
}

async function readStart(response: Response): Promise<string> {
  const { body } = response;
  // React Native and others that stand in for fetch show no streams. They have all of the body before they hand out an answer.
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
