import { useState } from 'preact/hooks';
import { languages, type Language, type Translate } from '../text/language.js';
import { remember } from '../preferences.js';
import { isDark, setTheme } from '../theme.js';
import { Icon } from '../shared/parts/icon.js';

interface Props {
  readonly t: Translate;
  readonly language: Language;
  readonly setLanguage: (language: Language) => void;
}

/** Language and theme, which this browser remembers. */
export function Preferences({ t, language, setLanguage }: Props) {
  const [dark, setDark] = useState(isDark());
  const toggle = (): void => {
    setTheme(dark ? 'light' : 'dark');
    setDark(!dark);
  };
  return (
    <>
      <select
        class="language"
        aria-label={t('language')}
        value={language}
        onChange={(event) => {
          const chosen = event.currentTarget.value as Language;
          remember('language', chosen);
          setLanguage(chosen);
        }}
      >
        {Object.entries(languages).map(([code, { name, tag }]) => (
          <option key={code} value={code} lang={tag}>
            {name}
          </option>
        ))}
      </select>
      <button
        type="button"
        class="button quiet square"
        aria-label={t('theme')}
        aria-pressed={dark}
        title={t('theme')}
        onClick={toggle}
      >
        <Icon name="theme" />
      </button>
    </>
  );
}
