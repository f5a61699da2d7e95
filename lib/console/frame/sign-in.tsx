import { useState } from 'preact/hooks';
import { ApiError, type Api } from '../api.js';
import type { SessionEndNotice } from '../../client/index.js';
import { shortUserAgent } from '../shared/logic/user-agent.js';
import { Field } from '../shared/parts/field.js';
import { Preferences } from './preferences.js';
import { dateTime } from '../shared/parts/time.js';
import { nameOf, type Language, type Translate } from '../text/language.js';

interface Props {
  readonly title: string;
  readonly api: Api;
  readonly t: Translate;
  readonly language: Language;
  readonly setLanguage: (language: Language) => void;
  /** Why the session before is over, if one was. */
  readonly ended: SessionEndNotice | undefined;
  readonly onSignedIn: () => void;
  /** The account that is signed in may not use the console. */
  readonly refused: boolean;
}

export function SignIn({ title, api, t, language, setLanguage, ended, refused, onSignedIn }: Props) {
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const signIn = async (form: HTMLFormElement): Promise<void> => {
    const data = new FormData(form);
    setBusy(true);
    setProblem('');
    try {
      await api.login({
        username: data.get('username') as string,
        password: data.get('password') as string,
        deviceName: shortUserAgent(navigator.userAgent),
      });
      onSignedIn();
    } catch (error) {
      const silent = error instanceof ApiError && error.status === 0;
      setProblem(silent ? t('error.network') : t('signInFailed', { message: (error as Error).message }));
    }
    setBusy(false);
  };
  return (
    <div class="sign-in-page">
      <main id="content" class="sign-in" data-view="sign-in" tabIndex={-1}>
        <h1>{title}</h1>
        <p class="muted">{t('signInHint')}</p>
        {ended && <Ended end={ended} t={t} language={language} />}
        {refused && (
          <p class="notice bad" role="alert">
            {t('notAllowed')}
          </p>
        )}
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void signIn(event.currentTarget);
          }}
        >
          <Field label={t('username')}>
            <input
              name="username"
              autocomplete="username"
              required
              autofocus
              autocapitalize="none"
              spellcheck={false}
            />
          </Field>
          <Field label={t('password')}>
            <input name="password" type="password" autocomplete="current-password" required />
          </Field>
          {problem !== '' && (
            <p class="bad" role="alert">
              {problem}
            </p>
          )}
          <button type="submit" class="button primary wide" disabled={busy}>
            {t('signIn')}
          </button>
        </form>
        <footer class="sign-in-foot">
          <Preferences t={t} language={language} setLanguage={setLanguage} />
        </footer>
      </main>
    </div>
  );
}

function Ended({ end, t, language }: { end: SessionEndNotice; t: Translate; language: Language }) {
  const { errorCode, message, replacedBy } = end;
  const device = replacedBy?.deviceName ?? replacedBy?.deviceType;
  return (
    <div class="notice" role="alert">
      <strong>
        {t('endedTitle')} · {nameOf(t, 'reason', errorCode)}
      </strong>
      {errorCode === 'SESSION_REPLACED' ? (
        <p>
          {device
            ? t('endedReplaced', {
                device,
                time: replacedBy?.at ? dateTime(language, replacedBy.at, true) : '',
              })
            : t('endedOther')}
        </p>
      ) : (
        message !== '' && <p>{message}</p>
      )}
    </div>
  );
}
