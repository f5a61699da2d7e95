import { useEffect, useRef, useState } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import { useErrorText } from '../hooks/use-error-text.js';
import { useLoad } from '../hooks/use-load.js';
import { advance, kickBodies, NOTHING_DONE, type KickProgress, type KickTarget } from '../logic/kick-work.js';
import { Dialog } from './dialog.js';
import { Field } from './field.js';
import { Loaded } from './states.js';

interface Props {
  readonly target: KickTarget;
  readonly onClose: () => void;
  /** Called when sessions were ended. */
  readonly onDone: () => void;
}

/** Says how many sessions would end, asks for a reason, then shows how far it is. */
export function KickDialog({ target, onClose, onDone }: Props) {
  const { api, t, notify } = useConsole();
  const errorText = useErrorText();
  const [reason, setReason] = useState('');
  const [progress, setProgress] = useState<KickProgress>();
  const [running, setRunning] = useState(false);
  const shown = useRef(true);
  useEffect(() => () => void (shown.current = false), []);
  const count = useLoad('count', async () => {
    const counts = [];
    for (const body of kickBodies(target))
      counts.push(await api.send<{ matching: number }>('POST', '/kick', { ...body, dryRun: true }));
    return counts.reduce((sum, { matching }) => sum + matching, 0);
  });

  const run = async (): Promise<void> => {
    setRunning(true);
    let before: KickProgress = NOTHING_DONE;
    let now: KickProgress = NOTHING_DONE;
    try {
      for (const body of kickBodies(target)) {
        await api.kick({ ...body, ...(reason.trim() === '' ? {} : { reason: reason.trim() }) }, (line) => {
          now = advance(before, line, now);
          setProgress(now);
        });
        before = now;
      }
    } catch (error) {
      now = { ...now, error: errorText(error) };
      setProgress(now);
    }
    setRunning(false);
    if (now.ended + now.pending > 0) onDone();
    if (now.error === undefined) {
      notify(t('kickDone', { n: now.ended }), 'good');
      if (now.pending === 0 && shown.current) onClose();
    } else if (!shown.current) notify(t('kickError', { message: now.error }), 'bad');
  };

  return (
    <Dialog title={t('kickTitle')} onClose={onClose}>
      {progress === undefined ? (
        <Loaded load={count} rows={1}>
          {(n) => (
            <form
              class="dialog-body"
              onSubmit={(event) => {
                event.preventDefault();
                void run();
              }}
            >
              <p class="lead" role="status">
                {n === 0 ? t('kickNothing') : t('kickCount', { n })}
              </p>
              <Field label={t('reason')} hint={t('reasonHint')}>
                <input value={reason} maxLength={200} onInput={(event) => setReason(event.currentTarget.value)} />
              </Field>
              <footer class="dialog-foot">
                <button type="button" class="button" onClick={onClose}>
                  {t('cancel')}
                </button>
                <button type="submit" class="button danger" disabled={n === 0 || running}>
                  {t('endSessions', { n })}
                </button>
              </footer>
            </form>
          )}
        </Loaded>
      ) : (
        <div class="dialog-body">
          <progress max={Math.max(1, progress.matching)} value={progress.done} aria-label={t('kickTitle')} />
          <p role="status">{t('kickProgress', { done: progress.done, n: progress.matching, ended: progress.ended })}</p>
          {progress.pending > 0 && <p>{t('kickPending', { n: progress.pending })}</p>}
          {progress.error !== undefined && (
            <p class="bad" role="alert">
              {t('kickError', { message: progress.error })}
            </p>
          )}
          {running && <p class="muted">{t('kickGoesOn')}</p>}
          <footer class="dialog-foot">
            <button type="button" class="button" onClick={onClose}>
              {t('close')}
            </button>
          </footer>
        </div>
      )}
    </Dialog>
  );
}
