import { useState } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import type { UserSummary } from '../contract.js';
import { formatRoute } from '../shared/logic/hash-route.js';
import { Icon } from '../shared/parts/icon.js';
import { Avatar } from '../shared/parts/who.js';
import { BanDialog } from './ban-dialogs.js';
import { ImpersonateDialog } from './impersonate-dialog.js';
import { nameOfUser } from '../shared/parts/session-columns.js';

interface Props {
  readonly user: UserSummary;
  readonly kickAll: () => void;
  /** Called when the account was banned. */
  readonly onDone: () => void;
}

/** Who it is, and what the operator may do with the account. */
export function UserHead({ user, kickAll, onDone }: Props) {
  const { operator, t } = useConsole();
  const [open, setOpen] = useState<'ban' | 'impersonate'>();
  const { ban, impersonate, kick } = operator.rights;
  const own = user.userId === operator.userId;
  const close = (): void => setOpen(undefined);
  return (
    <div class="page-head user-head">
      <Avatar {...user} />
      <div class="user-title">
        <h1>{nameOfUser(user)}</h1>
        <p class="muted">
          {t('userId')} <span class="mono">{user.userId}</span> · {t('nSessions', { n: user.live })}{' '}
          {user.bans.map(({ service }) => (
            <span key={service ?? ''} class={`badge ${service === null ? 'bad' : 'warn'}`}>
              {service === null ? t('banned') : t('bannedFrom', { service })}
            </span>
          ))}
        </p>
      </div>
      <span class="spacer" />
      <a class="button" href={formatRoute(['events'], { userId: user.userId })}>
        <Icon name="events" /> {t('events')}
      </a>
      {impersonate && !own && (
        <button type="button" class="button" onClick={() => setOpen('impersonate')}>
          <Icon name="key" /> {t('impersonate')}
        </button>
      )}
      {kick && (
        <button type="button" class="button danger" disabled={user.live === 0} onClick={kickAll}>
          {t('kickAll')}
        </button>
      )}
      {ban && !own && (
        <button type="button" class="button danger" onClick={() => setOpen('ban')}>
          {t('banDots')}
        </button>
      )}
      {open === 'ban' && (
        <BanDialog
          user={user}
          onClose={close}
          onDone={() => {
            close();
            onDone();
          }}
        />
      )}
      {open === 'impersonate' && <ImpersonateDialog user={user} onClose={close} />}
    </div>
  );
}
