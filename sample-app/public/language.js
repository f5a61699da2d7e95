import { english } from './texts-en.js';
import { chinese } from './texts-zh.js';

const TEXTS = { en: english, zh: chinese };
const KEY = 'latchkey-sample-language';
const listeners = new Set();
let language = kept() ?? (navigator.language.startsWith('zh') ? 'zh' : 'en');

/**
 * A text in the language of the page, with `{name}` replaced. A key that is not known is given back.
 * @param {string} key @param {Record<string, string | number>} [values]
 */
export function text(key, values = {}) {
  const found = TEXTS[language][key] ?? english[key] ?? key;
  return found.replace(/\{(\w+)\}/g, (all, name) => String(values[name] ?? all));
}

/** Whether there is a text of this key. @param {string} key */
export function hasText(key) {
  return key in english;
}

/** The time of day, with the date where it is another day. @param {string | number} time ISO 8601 or milliseconds */
export function timeText(time) {
  const date = new Date(time);
  const isToday = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(language, isToday ? { timeStyle: 'medium' } : { dateStyle: 'medium', timeStyle: 'short' });
}

/** Puts the texts into all elements with `data-text`. @param {ParentNode} root */
export function translate(root) {
  for (const one of root.querySelectorAll('[data-text]')) one.textContent = text(one.dataset.text);
}

/** Calls the listener after each change of the language. @param {() => void} listener */
export function onLanguage(listener) {
  listeners.add(listener);
}

/** Translates the page, now and whenever its button is pressed. */
export function startLanguage() {
  const button = document.querySelector('[data-language]');
  const apply = () => {
    document.documentElement.lang = language;
    button.textContent = language === 'zh' ? 'English' : '中文';
    button.lang = language === 'zh' ? 'en' : 'zh';
    translate(document);
    for (const listener of listeners) listener();
  };
  button.addEventListener('click', () => {
    language = language === 'zh' ? 'en' : 'zh';
    try {
      localStorage.setItem(KEY, language);
    } catch {
      // It is for this visit only, then.
    }
    apply();
  });
  apply();
}

function kept() {
  try {
    const value = localStorage.getItem(KEY);
    return value !== null && Object.hasOwn(TEXTS, value) ? value : null;
  } catch {
    return null;
  }
}
