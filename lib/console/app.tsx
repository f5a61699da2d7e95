import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Api, ApiError } from './api.js';
import { ConsoleContext, type Console, type Tone } from './console-context.js';
import type { SessionEndNotice } from '../client/index.js';
import type { Operator, PageConfig } from './contract.js';
import { LiveFeed } from './live-feed.js';
import { HelpDialog } from './frame/help-dialog.js';
import { PasswordDialog } from './frame/password-dialog.js';
import { Skeleton } from './shared/parts/states.js';
import { Toasts, type Toast } from './frame/toasts.js';
import { localeOf } from './locale.js';
import { remembered } from './preferences.js';
import { createConsoleSession } from './session.js';
import { chooseLanguage, languages, translator } from './text/language.js';
import { SignIn } from './frame/sign-in.js';
import { Views } from './frame/views.js';

const TOAST_MS = 6000;
const LOOK_AGAIN_MS = 1000;

/** The session of this browser, and who it belongs to once the server has said so. */
function useOperator(config: PageConfig) {
  const [ended, setEnded] = useState<SessionEndNotice>();
  const [operator, setOperator] = useState<Operator>();
  const [failure, setFailure] = useState<ApiError>();
  const [round, setRound] = useState(0);
  const session = useMemo(() => createConsoleSession(config, setEnded), [config]);
  const api = useMemo(() => new Api(config.base, config.urls, session), [config, session]);
  const [signedIn, setSignedIn] = useState(session.signedIn);
  useEffect(() => session.subscribe(() => setSignedIn(session.signedIn)), [session]);
  useEffect(() => {
    setOperator(undefined);
    setFailure(undefined);
    if (!signedIn) return;
    const request = new AbortController();
    api.get<Operator>('/operator', {}, request.signal).then(
      (answer) => {
        setEnded(undefined);
        setOperator(answer);
      },
      (error: ApiError) => !request.signal.aborted && setFailure(error),
    );
    return () => request.abort();
  }, [api, signedIn, round]);
  return { api, session, signedIn, operator, ended, failure, retry: () => setRound((n) => n + 1) };
}

export function App({ config }: { config: PageConfig }) {
  const [language, setLanguage] = useState(() => chooseLanguage(remembered('language'), navigator.languages));
  const t = useMemo(() => translator(language, localeOf(language)), [language]);
  const { api, session, signedIn, operator, ended, failure, retry } = useOperator(config);
  // Another tab may have signed in as somebody else: then who it is has to be asked again.
  const lookAgain = (): void => void (session.token !== null && setTimeout(retry, LOOK_AGAIN_MS));
  const live = useMemo(() => new LiveFeed(session, `${config.base}/live`, lookAgain), [session]);
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const [spoken, setSpoken] = useState('');
  const [help, setHelp] = useState(false);
  const [asking, setAsking] = useState<{ answer: (confirmed: boolean) => void }>();
  const asked = useRef<Promise<boolean> | null>(null);
  const ready = operator !== undefined;

  useEffect(() => {
    document.documentElement.lang = languages[language].tag;
  }, [language]);
  useEffect(() => {
    if (!ready) return;
    live.start();
    return () => live.stop();
  }, [live, ready]);
  // Two requests that need the password ask for it once.
  api.askPassword = () =>
    (asked.current ??= new Promise<boolean>((answer) => setAsking({ answer })).finally(() => {
      asked.current = null;
      setAsking(undefined);
    }));

  const notify = (text: string, tone: Tone = 'plain'): void => {
    const id = Math.random();
    setToasts((before) => [...before.slice(-2), { id, text, tone }]);
    setTimeout(() => setToasts((before) => before.filter((toast) => toast.id !== id)), TOAST_MS);
  };

  if (!signedIn || failure?.status === 403)
    return (
      <>
        <SignIn
          title={config.title}
          {...{ api, t, language, setLanguage, ended }}
          onSignedIn={retry}
          refused={signedIn && failure?.status === 403}
        />
        <Toasts toasts={toasts} />
      </>
    );
  if (operator === undefined)
    return (
      <main id="content" class="content">
        {failure === undefined ? (
          <Skeleton />
        ) : (
          <div class="trouble">
            <p role="alert">
              {failure.status === 0 ? t('error.network') : t('error.other', { message: failure.message })}
            </p>
            <button type="button" class="button" onClick={retry}>
              {t('retry')}
            </button>
          </div>
        )}
      </main>
    );
  const value: Console = { config, api, live, operator, language, t, notify, announce: setSpoken };
  return (
    <ConsoleContext.Provider value={value}>
      <Views setLanguage={setLanguage} showHelp={() => setHelp(true)} signOut={() => void api.logout()} />
      {help && <HelpDialog onClose={() => setHelp(false)} />}
      {asking && <PasswordDialog onDone={asking.answer} />}
      <Toasts toasts={toasts} />
      <p class="visually-hidden" role="status" aria-live="polite">
        {spoken}
      </p>
    </ConsoleContext.Provider>
  );
}
