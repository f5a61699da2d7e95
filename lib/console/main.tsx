import { render } from 'preact';
import { App } from './app.js';
import type { PageConfig } from './contract.js';
import { restoreTheme } from './theme.js';

restoreTheme();
const meta = document.querySelector<HTMLMetaElement>('meta[name="session-console"]')!;
render(<App config={JSON.parse(meta.content) as PageConfig} />, document.getElementById('console')!);
