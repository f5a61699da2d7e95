/** The part of BroadcastChannel that the client uses. */
export interface PageChannel {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
  /** Node only. */
  unref?(): void;
}

/** The globals that the client uses; each may be missing in a worker, an old browser, React Native or Node. */
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

/** The globals of the page, typed here since the types of a browser are not those of a server. */
export const page = globalThis as unknown as Page;

/** Reports an error of the application's own function to the page, and lets the caller go on. */
export function report(error: unknown): void {
  if (page.reportError) return page.reportError(error);
  queueMicrotask(() => {
    throw error;
  });
}
