import vm from 'node:vm';
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';
import type * as Client from '../../lib/client/index.js';

/** Loads the client with the globals of React Native only. @param missing globals that are not there either */
export async function loadOnReactNative(missing: readonly string[] = []): Promise<typeof Client> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../../lib/client/index.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'client',
    logLevel: 'error',
  });
  const has: Record<string, unknown> = {
    ...{ console, setTimeout, clearTimeout, queueMicrotask, AbortController, Headers, URL },
    ...{ navigator: { product: 'ReactNative' }, Request: NativeRequest, Response: NativeResponse, fetch: nativeFetch },
  };
  for (const name of missing) delete has[name];
  const context = vm.createContext({ ...has, window: {} });
  vm.runInContext(outputFiles[0]!.text, context);
  return context.client as typeof Client;
}

/** As the one of React Native: bodies are whole and there at once, and `body` is not. */
class NativeBody {
  bodyUsed = false;
  headers: Headers;

  constructor(
    protected readonly whole: string | null,
    headers: ConstructorParameters<typeof Headers>[0],
  ) {
    this.headers = new Headers(headers);
  }

  async text(): Promise<string> {
    if (this.bodyUsed) throw new TypeError('Already read');
    this.bodyUsed = this.whole !== null;
    return this.whole ?? '';
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }
}

class NativeRequest extends NativeBody {
  readonly url: string;
  readonly method: string;
  readonly signal: AbortSignal | undefined;

  constructor(input: string | URL | NativeRequest, init: RequestInit = {}) {
    const before = input instanceof NativeRequest ? input : null;
    super((init.body as string | undefined) ?? before?.take() ?? null, init.headers ?? before?.headers);
    this.url = before?.url ?? (typeof input === 'string' ? input : (input as URL).href);
    this.method = init.method ?? before?.method ?? 'GET';
    this.signal = init.signal ?? before?.signal ?? undefined;
  }

  clone(): NativeRequest {
    return new NativeRequest(this, { body: this.whole });
  }

  take(): string | null {
    if (this.bodyUsed) throw new TypeError('Already read');
    this.bodyUsed = this.whole !== null;
    return this.whole;
  }
}

class NativeResponse extends NativeBody {
  readonly ok: boolean;

  constructor(
    whole: string,
    private readonly init: { readonly status: number; readonly url: string; readonly headers: Headers },
  ) {
    super(whole, init.headers);
    this.ok = init.status >= 200 && init.status < 300;
  }

  get status(): number {
    return this.init.status;
  }

  get url(): string {
    return this.init.url;
  }

  clone(): NativeResponse {
    return new NativeResponse(this.whole!, this.init);
  }
}

async function nativeFetch(input: string | URL | NativeRequest, init?: RequestInit): Promise<NativeResponse> {
  const request = new NativeRequest(input, init);
  const { url, method, headers, signal } = request;
  const response = await fetch(url, { method, headers, body: request.take(), signal });
  return new NativeResponse(await response.text(), { status: response.status, url, headers: response.headers });
}

/** As AsyncStorage, which answers in a later turn. */
export class LaterStorage implements Client.AsyncWebStorage {
  readonly entries = new Map<string, string>();

  async getItem(key: string): Promise<string | null> {
    await later();
    return this.entries.get(key) ?? null;
  }

  async setItem(key: string, value: string): Promise<void> {
    await later();
    this.entries.set(key, value);
  }

  async removeItem(key: string): Promise<void> {
    await later();
    this.entries.delete(key);
  }
}

const later = () => new Promise((resolve) => setImmediate(resolve));
