import { useConsole } from '../console-context.js';
import { END_EVERYTHING, type Operator } from '../contract.js';
import { ActionDialog } from '../shared/parts/action-dialog.js';
import { Field } from '../shared/parts/field.js';
import { dateTime } from '../shared/parts/time.js';

/** Ends the sessions of everybody once the words were typed. Leads to the sign-in: the operator's own ends too. */
export function EndEverythingDialog({ onClose }: { readonly onClose: () => void }) {
  const { api, language, notify, t } = useConsole();
  return (
    <ActionDialog
      title={t('endEverythingTitle')}
      text={t('endEverythingText')}
      action={t('endEverythingTitle')}
      danger
      onClose={onClose}
      run={async (values) => {
        const { effectiveBy } = await api.send<{ effectiveBy?: string }>('POST', '/end-everything', values);
        notify(effectiveBy ? t('endsLater', { time: dateTime(language, effectiveBy) }) : t('endedEverything'), 'good');
        // Hears of the end, which shows the sign-in.
        await api.get<Operator>('/operator').catch(() => undefined);
      }}
    >
      <Field label={t('reason')} hint={t('kickReasonHint')}>
        <input name="reason" maxLength={200} required />
      </Field>
      <Field label={t('typeWords', { words: END_EVERYTHING })}>
        <input name="confirm" autocomplete="off" autocapitalize="none" required pattern={END_EVERYTHING} />
      </Field>
    </ActionDialog>
  );
}
