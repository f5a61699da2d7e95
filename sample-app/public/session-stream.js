const LONGEST_BLOCK = 65_536;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

/**
 * Reads GET /me/live for as long as the session lives, and opens it again when the connection is lost. By fetch: EventSource
 * cannot send the header that the token is in.
 * @param {{ fetch: typeof fetch, token: string | null }} client
 * @param {{ onEnd: (end: object) => void, onState: (isLive: boolean) => void }} listener
 * @returns {() => void} stops
 */
export function followSession(client, listener) {
  const stop = new AbortController();
  void follow(client, listener, stop.signal);
  return () => stop.abort();
}

async function follow(client, { onEnd, onState }, signal) {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const response = await client.fetch('/me/live', { headers: { Accept: 'text/event-stream' }, signal });
      // The client has told why.
      if (response.status === 401 && client.token === null) return;
      if (response.ok) {
        failures = 0;
        onState(true);
        const end = await readEnd(response.body);
        if (end && !signal.aborted) onEnd(end);
        if (end) return;
      }
    } catch {
      // As for every other connection that does not last.
    }
    if (signal.aborted) return;
    onState(false);
    await pause(Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures + 1)), signal);
  }
}

/** The data of `event: end`; null for a stream that ended without it. */
async function readEnd(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const blocks = (text + part.value).split('\n\n');
    text = blocks.pop();
    if (text.length > LONGEST_BLOCK) throw new Error('This is no stream of events.');
    const end = blocks.map(readBlock).find(({ event }) => event === 'end');
    if (end) {
      void reader.cancel();
      return JSON.parse(end.data);
    }
  }
  return null;
}

/** The fields of a block. Comments have none. */
function readBlock(block) {
  const fields = block.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line));
  return Object.fromEntries(fields.filter((field) => field !== null).map(([, name, value]) => [name, value]));
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
