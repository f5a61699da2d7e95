import { en, type TextKey, type Texts } from './en.js';
import { fill, type Params } from './format.js';
import { zh } from './zh.js';

export type Language = 'en' | 'zh';

export const languages: Readonly<
  Record<Language, { readonly name: string; readonly tag: string; readonly texts: Texts }>
> = {
  en: { name: 'English', tag: 'en', texts: en },
  zh: { name: '中文', tag: 'zh-CN', texts: zh },
};

/** The language that was chosen before, else the first one that the browser wants and that is there, else English. */
export function chooseLanguage(stored: string | null, wanted: readonly string[]): Language {
  const start = [stored ?? '', ...wanted].map((tag) => tag.toLowerCase().split('-')[0]!);
  return start.find((tag): tag is Language => Object.hasOwn(languages, tag)) ?? 'en';
}

export type Translate = (key: TextKey, params?: Params) => string;

/** @param locale how numbers are written */
export function translator(language: Language, locale: string): Translate {
  const { texts } = languages[language];
  const numbers = new Intl.NumberFormat(locale);
  return (key, params) => fill(texts[key], params, (value) => numbers.format(value));
}

/** The name of an end reason or of an event type; a code that this console does not know yet is shown as it is. */
export function nameOf(t: Translate, kind: 'reason' | 'event', code: string): string {
  const key = `${kind}.${code}`;
  return Object.hasOwn(en, key) ? t(key as TextKey) : code;
}
