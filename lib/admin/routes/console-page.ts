/** What the page of the console is told about the application that serves it. */
export interface ConsolePageOptions {
  /** Path at which the admin routes are mounted, without a slash at its end: `/admin`. '' for the root. */
  readonly base: string;
  /** Absolute paths; null for what the application does not offer. */
  readonly urls: {
    readonly login: string;
    readonly refresh: string | null;
    readonly logout: string | null;
    readonly confirm: string | null;
  };
  readonly title: string;
  /** Language of the page until the reader's is known; default `en`. */
  readonly lang?: string;
}

/** What the page may load. It has neither inline scripts nor inline styles, and no other page may frame it. */
export const CONSOLE_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: https:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** The administrators' page. It contains no data: its script asks for that once the operator has signed in. */
export function consolePage({ base, urls, title, lang = 'en' }: ConsolePageOptions): string {
  const { login, refresh, logout, confirm } = urls;
  const config = JSON.stringify({ base, urls: { login, refresh, logout, confirm }, title });
  return `<!doctype html>
<html lang="${escape(lang)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta name="referrer" content="no-referrer">
<meta name="session-console" content="${escape(config)}">
<title>${escape(title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${escape(base)}/assets/console.css">
<script type="module" src="${escape(base)}/assets/console.js"></script>
</head>
<body>
<div id="console"></div>
<noscript>This page needs JavaScript.</noscript>
</body>
</html>
`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
