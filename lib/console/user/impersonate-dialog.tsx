import { useState } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import type { TokenAnswer, UserSummary } from '../contract.js';
import { ActionDialog } from '../shared/parts/action-dialog.js';
import { Dialog } from '../shared/parts/dialog.js';
import { Field } from '../shared/parts/field.js';
import { nameOfUser } from '../shared/parts/session-columns.js';

/** Opens a session of another account and hands its token over, once. */
export function ImpersonateDialog({ user, onClose }: { user: UserSummary; onClose: () => void }) {
  const { api, notify, t } = useConsole();
  const [token, setToken] = useState('');
  const title = t('impersonateTitle', { name: nameOfUser(user) });
  if (token === '')
    return (
      <ActionDialog
        title={title}
        text={t('impersonateText')}
        action={t('impersonateOpen')}
        onClose={onClose}
        run={async ({ reason, duration }) => {
          const path = `/users/${encodeURIComponent(user.userId)}/impersonate`;
          const body = { ...(reason && { reason }), ...(duration && { for: duration }) };
          setToken((await api.send<TokenAnswer>('POST', path, body)).accessToken);
        }}
      >
        <Field label={t('reason')} hint={t('impersonateReasonHint')}>
          <input name="reason" maxLength={200} />
        </Field>
        <Field label={t('impersonateFor')} hint={t('impersonateForHint')}>
          <input name="duration" autocomplete="off" pattern="\d+\s?(ms|s|m|h|d)" />
        </Field>
      </ActionDialog>
    );
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="dialog-body">
        <p role="status">{t('impersonateDone')}</p>
        <Field label={t('impersonateToken')}>
          <textarea class="mono" readOnly rows={4} value={token} onFocus={(event) => event.currentTarget.select()} />
        </Field>
        <footer class="dialog-foot">
          <button
            type="button"
            class="button primary"
            onClick={() => void navigator.clipboard.writeText(token).then(() => notify(t('copied'), 'good'))}
          >
            {t('copy')}
          </button>
        </footer>
      </div>
    </Dialog>
  );
}
