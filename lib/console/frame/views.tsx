import { useEffect, useRef } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import { useRoute } from '../shared/hooks/use-route.js';
import { Shell, type ViewName } from './shell.js';
import { installShortcuts } from '../shortcuts.js';
import type { Language } from '../text/language.js';
import { Addresses } from '../addresses/addresses.js';
import { Events } from '../events/events.js';
import { Online } from '../online/online.js';
import { Overview } from '../overview/overview.js';
import { User } from '../user/user.js';

interface Props {
  readonly setLanguage: (language: Language) => void;
  readonly showHelp: () => void;
  readonly signOut: () => void;
}

/** The view that the address names; the overview for one that it does not know. */
export function Views(props: Props) {
  const { config, t } = useConsole();
  const { path, query } = useRoute();
  const [first, userId = ''] = path;
  const view: ViewName =
    first === 'online' || first === 'events' || first === 'addresses'
      ? first
      : first === 'user' && userId !== ''
        ? 'user'
        : 'overview';
  const place = `${view}/${userId}`;
  const before = useRef(place);
  useEffect(() => installShortcuts(props.showHelp), []);
  useEffect(() => {
    document.title = `${t(view)} · ${config.title}`;
    // Whoever follows a link goes on reading at the start of the new view, with the keyboard too.
    if (before.current !== place) {
      document.getElementById('content')?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    before.current = place;
  }, [place, t]);
  return (
    <Shell view={view} {...props}>
      {view === 'overview' && <Overview query={query} />}
      {view === 'online' && <Online query={query} />}
      {view === 'events' && <Events query={query} />}
      {view === 'addresses' && <Addresses query={query} />}
      {view === 'user' && <User key={userId} userId={userId} query={query} />}
    </Shell>
  );
}
