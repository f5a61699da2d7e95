/** Parameters of the console page. */
export interface ConsolePageOptions {
  /** Path of the admin routes without a trailing slash, such as `/admin`; '' for the root. */
  readonly base: string;
  /** Absolute paths; null for routes that the application does not have. */
  readonly urls: {
    readonly login: string;
    readonly refresh: string | null;
    readonly logout: string | null;
    readonly reauthenticate: string | null;
  };
  readonly title: string;
  /** Language until the reader's is known. Default `en`. */
  readonly lang?: string;
}

/** Allows neither inline scripts nor inline styles, and forbids framing. */
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

/** Renders the console page. It contains no data, which its script loads once the operator has signed in. */
export function consolePage({ base, urls, title, lang = 'en' }: ConsolePageOptions): string {
  const { login, refresh, logout, reauthenticate } = urls;
  const config = JSON.stringify({ base, urls: { login, refresh, logout, reauthenticate }, title });
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
