import type { ComponentChildren } from 'preact';
import { useConsole } from '../console-context.js';
import { useLiveState } from '../shared/hooks/use-live.js';
import { formatRoute } from '../shared/logic/hash-route.js';
import type { Language } from '../text/language.js';
import { Icon, type IconName } from '../shared/parts/icon.js';
import { Preferences } from './preferences.js';
import { zoneName } from '../shared/parts/time.js';

export type ViewName = 'overview' | 'online' | 'user' | 'events' | 'addresses';

interface Props {
  readonly view: ViewName;
  readonly setLanguage: (language: Language) => void;
  readonly showHelp: () => void;
  readonly signOut: () => void;
  readonly children: ComponentChildren;
}

/** Header, sections and the main region around a view. */
export function Shell({ view, setLanguage, showHelp, signOut, children }: Props) {
  const { config, language, operator, t } = useConsole();
  const sections: readonly ViewName[] = ['overview', 'online', 'events', 'addresses'];
  const name = operator.username ?? operator.userId;
  return (
    <div class="shell">
      <a
        class="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById('content')?.focus();
        }}
      >
        {t('skip')}
      </a>
      <header class="top">
        <span class="brand">{config.title}</span>
        <LiveMark />
        <span class="spacer" />
        <Preferences t={t} language={language} setLanguage={setLanguage} />
        <button
          type="button"
          class="button quiet square"
          aria-label={t('shortcuts')}
          title={t('shortcuts')}
          onClick={showHelp}
        >
          <Icon name="help" />
        </button>
        <span class="operator" title={t('signedInAs', { name })}>
          <Icon name="user" /> <span class="operator-name">{name}</span>
        </span>
        <button
          type="button"
          class="button quiet square"
          aria-label={t('signOut')}
          title={t('signOut')}
          onClick={signOut}
        >
          <Icon name="signOut" />
        </button>
      </header>
      <nav class="sections" aria-label={t('nav')}>
        {sections
          .filter((section) => section !== 'addresses' || operator.rights.viewAddresses)
          .map((section) => (
            <a
              key={section}
              href={formatRoute([section])}
              aria-current={section === view || (view === 'user' && section === 'online') ? 'page' : undefined}
            >
              <Icon name={section as IconName} />
              <span>{t(section)}</span>
            </a>
          ))}
      </nav>
      <main id="content" class="content" data-view={view} tabIndex={-1}>
        {children}
        <p class="zone">{t('zone', { zone: zoneName(language) })}</p>
      </main>
    </div>
  );
}

/** Whether what is shown follows the server. */
function LiveMark() {
  const { live, t } = useConsole();
  const state = useLiveState(live);
  return (
    <span class={`live ${state}`} role="status" title={t(`live.${state}`)}>
      <span class="live-dot" aria-hidden="true" />
      <span class="live-text">{t(`live.${state}`)}</span>
    </span>
  );
}
