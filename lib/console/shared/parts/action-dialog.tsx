import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { useConsole } from '../../console-context.js';
import { useErrorText } from '../hooks/use-error-text.js';
import { Dialog } from './dialog.js';

interface Props {
  readonly title: string;
  readonly text: string;
  /** Of the button. */
  readonly action: string;
  readonly danger?: boolean;
  /** Does it, with the values of the inputs by name. If it fails the dialog stays and says why. */
  readonly run: (values: Readonly<Record<string, string>>) => Promise<void>;
  readonly onClose: () => void;
  readonly children?: ComponentChildren;
}

/** Asks before something is done, with inputs where it needs some. */
export function ActionDialog({ title, text, action, danger = false, run, onClose, children }: Props) {
  const { t } = useConsole();
  const errorText = useErrorText();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState('');
  const submit = async (form: HTMLFormElement): Promise<void> => {
    const values = [...new FormData(form)].map(([name, value]) => [name, (value as string).trim()] as const);
    setBusy(true);
    setProblem('');
    try {
      await run(Object.fromEntries(values));
    } catch (error) {
      setProblem(errorText(error));
    }
    setBusy(false);
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        class="dialog-body"
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <p>{text}</p>
        {children}
        {problem !== '' && (
          <p class="bad" role="alert">
            {problem}
          </p>
        )}
        <footer class="dialog-foot">
          <button type="button" class="button" onClick={onClose}>
            {t('cancel')}
          </button>
          <button type="submit" class={`button ${danger ? 'danger' : 'primary'}`} disabled={busy}>
            {action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
