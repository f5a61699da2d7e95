import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Api } from './api.js';
import type { Operator, PageConfig } from './contract.js';
import type { LiveFeed } from './live-feed.js';
import type { Language, Translate } from './text/language.js';

export type Tone = 'good' | 'bad' | 'plain';

/** What every part of the page can reach. */
export interface Console {
  readonly config: PageConfig;
  readonly api: Api;
  readonly live: LiveFeed;
  readonly operator: Operator;
  readonly language: Language;
  readonly t: Translate;
  /** Shows a short message, which is read out too. */
  readonly notify: (text: string, tone?: Tone) => void;
  /** Has a text read out that is visible elsewhere. */
  readonly announce: (text: string) => void;
}

export const ConsoleContext = createContext<Console | null>(null);

export function useConsole(): Console {
  return useContext(ConsoleContext)!;
}
