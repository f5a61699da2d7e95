import { useEffect, useRef, useState } from 'preact/hooks';
import { useConsole } from '../../console-context.js';
import { useErrorText } from '../hooks/use-error-text.js';
import { useLoad } from '../hooks/use-load.js';
import { advance, kickBodies, NOTHING_DONE, type KickPace, type KickProgress, type KickTarget } from './kick-work.js';
import { Dialog } from '../parts/dialog.js';
import { KickForm } from './kick-form.js';
import { Loaded } from '../parts/states.js';

interface Props {
  readonly target: KickTarget;
  readonly onClose: () => void;
  /** Called when sessions were ended. */
  readonly onDone: () => void;
}

/** Says whose sessions would end and how many, asks for a reason, then shows how far it is. */
export function KickDialog({ target, onClose, onDone }: Props) {
  const { api, t, notify } = useConsole();
  const errorText = useErrorText();
  const [progress, setProgress] = useState<KickProgress>();
  const [running, setRunning] = useState(false);
  const shown = useRef(true);
  useEffect(() => () => void (shown.current = false), []);
  const count = useLoad('count', async () => {
    let [matching, isMinimum] = [0, false];
    for (const body of kickBodies(target)) {
      const answer = await api.send<KickCount>('POST', '/kick', { ...body, dryRun: true });
      matching += answer.matching;
      isMinimum ||= answer.matchingIsMinimum ?? false;
    }
    return { matching, isMinimum };
  });

  const run = async (reason: string, pace: KickPace): Promise<void> => {
    setRunning(true);
    let before: KickProgress = NOTHING_DONE;
    let now: KickProgress = NOTHING_DONE;
    try {
      for (const body of kickBodies(target)) {
        await api.kick({ ...body, pace, ...(reason === '' ? {} : { reason }) }, (line) => {
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
          {({ matching, isMinimum }) => (
            <KickForm
              n={matching}
              isMinimum={isMinimum}
              whom={target.whom}
              busy={running}
              run={(reason, pace) => void run(reason, pace)}
              onClose={onClose}
            />
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

interface KickCount {
  readonly matching: number;
  readonly matchingIsMinimum?: boolean;
}
