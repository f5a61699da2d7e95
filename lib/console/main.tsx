import { render } from 'preact';
import { App } from './app.js';
import type { PageConfig } from './contract.js';
import { restoreTheme } from './theme.js';

restoreTheme();
const meta = document.querySelector<HTMLMetaElement>('meta[name="session-console"]')!;
// The script is where the admin routes are, whatever proxies and prefixes precede them.
const { src } = document.querySelector<HTMLScriptElement>('script[type="module"]')!;
const base = new URL('..', src).pathname.replace(/\/$/, '');
const config: PageConfig = { ...(JSON.parse(meta.content) as Omit<PageConfig, 'base'>), base };
render(<App config={config} />, document.getElementById('console')!);
