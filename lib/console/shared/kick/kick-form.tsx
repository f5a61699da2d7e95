import { useEffect, useRef, useState } from 'preact/hooks';
import { useConsole } from '../../console-context.js';
import { isConfirmed, type KickPace } from './kick-work.js';
import { Choice } from '../parts/choice.js';
import { focusFirst } from '../parts/dialog.js';
import { Field } from '../parts/field.js';

interface Props {
  readonly n: number;
  /** There are more, of which nobody knows how many. */
  readonly isMinimum: boolean;
  readonly whom: string;
  readonly busy: boolean;
  readonly run: (reason: string, pace: KickPace) => void;
  readonly onClose: () => void;
}

/** Lines that name whom it is about; a selection may have more. */
const MOST_LINES = 8;

/** Whose sessions are about to end; for many, the number has to be typed, so that nobody ends them by a click. */
export function KickForm({ n, isMinimum, whom, busy, run, onClose }: Props) {
  const { t } = useConsole();
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const [pace, setPace] = useState<KickPace>('gentle');
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => focusFirst(form.current!.closest('dialog')!), []);
  const lines = whom.split('\n');
  const more = lines.length - MOST_LINES;
  const needsNumber = !isConfirmed(n, '');
  return (
    <form
      ref={form}
      class="dialog-body"
      onSubmit={(event) => {
        event.preventDefault();
        run(reason.trim(), pace);
      }}
    >
      <p class="lead" role="status">
        {n === 0 ? t('kickNothing') : isMinimum ? t('kickAtLeast', { n }) : t('kickCount', { n })}
      </p>
      <ul class="whom">
        {lines.slice(0, MOST_LINES).map((line) => (
          <li key={line}>{line}</li>
        ))}
        {more > 0 && <li class="muted">{t('andMore', { n: more })}</li>}
      </ul>
      <Field label={t('reason')} hint={t('kickReasonHint')}>
        <input
          value={reason}
          maxLength={200}
          required={needsNumber}
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </Field>
      {needsNumber && (
        <div class="field">
          <span class="field-label">{t('kickPace')}</span>
          <Choice
            label={t('kickPace')}
            value={pace}
            options={[
              ['gentle', t('kickGentle')],
              ['fast', t('kickFast')],
            ]}
            choose={setPace}
          />
          <small class="hint">{t(pace === 'gentle' ? 'kickGentleHint' : 'kickFastHint')}</small>
        </div>
      )}
      {needsNumber && (
        <Field label={t('typeNumber', { n: String(n) })}>
          <input
            inputMode="numeric"
            autocomplete="off"
            required
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </Field>
      )}
      <footer class="dialog-foot">
        <button type="button" class="button" onClick={onClose}>
          {t('cancel')}
        </button>
        <button type="submit" class="button danger" disabled={n === 0 || busy || !isConfirmed(n, typed)}>
          {t('endSessions', { n })}
        </button>
      </footer>
    </form>
  );
}
