import { remember, remembered } from './preferences.js';

export type Theme = 'light' | 'dark';

const show = (theme: Theme): void => {
  const { classList } = document.documentElement;
  classList.toggle('theme-light', theme === 'light');
  classList.toggle('theme-dark', theme === 'dark');
  dispatchEvent(new Event('themechange'));
};

/** Takes the theme that was chosen before; without one the browser's preference holds. */
export function restoreTheme(): void {
  const theme = remembered('theme');
  if (theme === 'light' || theme === 'dark') show(theme);
}

export function setTheme(theme: Theme): void {
  remember('theme', theme);
  show(theme);
}

export function isDark(): boolean {
  const { classList } = document.documentElement;
  if (classList.contains('theme-light')) return false;
  return classList.contains('theme-dark') || matchMedia('(prefers-color-scheme: dark)').matches;
}
