import { useState } from 'preact/hooks';
import { ApiError } from '../api.js';
import { useConsole } from '../console-context.js';
import { useErrorText } from '../shared/hooks/use-error-text.js';
import { Dialog } from '../shared/parts/dialog.js';
import { Field } from '../shared/parts/field.js';

/** Asks for the operator's password before an action that wants a fresh login. */
export function PasswordDialog({ onDone }: { onDone: (confirmed: boolean) => void }) {
  const { api, t, operator } = useConsole();
  const errorText = useErrorText();
  const [password, setPassword] = useState('');
  const [wrong, setWrong] = useState('');
  const [busy, setBusy] = useState(false);
  const confirm = async (): Promise<void> => {
    setBusy(true);
    setWrong('');
    try {
      await api.reauthenticate(password);
      onDone(true);
    } catch (error) {
      const refused = error instanceof ApiError && [400, 401, 403].includes(error.status);
      setWrong(refused ? t('wrongPassword') : errorText(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={t('confirmTitle')} onClose={() => onDone(false)}>
      <form
        class="dialog-body"
        onSubmit={(event) => {
          event.preventDefault();
          void confirm();
        }}
      >
        <p>{t('confirmText')}</p>
        <input
          class="visually-hidden"
          autocomplete="username"
          tabIndex={-1}
          aria-hidden="true"
          readOnly
          value={operator.username ?? ''}
        />
        <Field label={t('password')}>
          <input
            type="password"
            autocomplete="current-password"
            required
            autofocus
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </Field>
        {wrong !== '' && (
          <p class="bad" role="alert">
            {wrong}
          </p>
        )}
        <footer class="dialog-foot">
          <button type="button" class="button" onClick={() => onDone(false)}>
            {t('cancel')}
          </button>
          <button type="submit" class="button primary" disabled={busy}>
            {t('confirm')}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
