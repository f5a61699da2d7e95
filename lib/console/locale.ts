import { languages, type Language } from './text/language.js';

/** How dates and numbers are written in a language: as the browser wants them, en-GB or en-US, else in the common form. */
export const localeOf = (language: Language): string =>
  navigator.languages.find((tag) => tag.toLowerCase().split('-')[0] === language) ?? languages[language].tag;
