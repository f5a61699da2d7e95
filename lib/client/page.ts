/** Subset of BroadcastChannel used here. */
export interface PageChannel {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
  /** Node only. */
  unref?(): void;
}

/** Globals used here. Each may be missing. */
interface Page {
  readonly document?: { readonly baseURI: string };
  readonly location?: { readonly href: string };
  readonly localStorage?: unknown;
  readonly navigator?: { readonly locks?: unknown };
  readonly crypto?: { readonly getRandomValues?: (bytes: Uint8Array) => Uint8Array };
  readonly BroadcastChannel?: new (name: string) => PageChannel;
  readonly reportError?: (error: unknown) => void;
  readonly addEventListener?: (type: string, listener: (event: unknown) => void) => void;
  readonly removeEventListener?: (type: string, listener: (event: unknown) => void) => void;
}

/** Typed here, because a server's types lack those of a browser. */
export const page = globalThis as unknown as Page;

/** Calls back the application. Reports an error to the page, without throwing. */
export function attempt(call: () => void): void {
  try {
    call();
  } catch (error) {
    report(error);
  }
}

export function report(error: unknown): void {
  if (page.reportError) return page.reportError(error);
  queueMicrotask(() => {
    throw error;
  });
}
