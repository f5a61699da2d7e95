import { useConsole } from '../console-context.js';
import type { BanItem, UserSummary } from '../contract.js';
import { fromLocalInput } from '../shared/logic/local-input.js';
import { ActionDialog } from '../shared/parts/action-dialog.js';
import { Field } from '../shared/parts/field.js';
import { dateTime } from '../shared/parts/time.js';
import { nameOfUser } from '../shared/parts/session-columns.js';

interface Props {
  readonly user: UserSummary;
  readonly onClose: () => void;
  readonly onDone: () => void;
}

const banPath = (userId: string): string => `/users/${encodeURIComponent(userId)}/ban`;

/** Bans an account, as a whole or from a service. */
export function BanDialog({ user, onClose, onDone }: Props) {
  const { api, language, notify, t } = useConsole();
  return (
    <ActionDialog
      title={t('banTitle', { name: nameOfUser(user) })}
      text={t('banText')}
      action={t('ban')}
      danger
      onClose={onClose}
      run={async ({ reason, until = '', service, level }) => {
        const answer = await api.send<{ ended?: number | null; effectiveBy?: string }>('POST', banPath(user.userId), {
          ...(reason && { reason }),
          ...(until && { until: fromLocalInput(until) }),
          ...(service && { service }),
          ...(level && { level: Number(level) }),
        });
        const { ended = 0, effectiveBy } = answer;
        const later = effectiveBy && t('endsLater', { time: dateTime(language, effectiveBy) });
        const done = ended === null ? t('bannedMany') : t('bannedDone', { n: ended });
        notify(later || (service ? t('bannedFrom', { service }) : done), 'good');
        onDone();
      }}
    >
      <Field label={t('reason')} hint={t('banReasonHint')}>
        <input name="reason" maxLength={200} />
      </Field>
      <Field label={t('banUntil')} hint={t('banUntilHint')}>
        <input name="until" type="datetime-local" />
      </Field>
      <div class="field-row">
        <Field label={t('banService')} hint={t('banServiceHint')}>
          <input name="service" autocomplete="off" />
        </Field>
        <Field label={t('banLevel')} hint={t('banLevelHint')}>
          <input name="level" type="number" min={1} step={1} />
        </Field>
      </div>
    </ActionDialog>
  );
}

/** Lifts one ban of an account. */
export function LiftDialog({ user, ban, onClose, onDone }: Props & { readonly ban: BanItem }) {
  const { api, notify, t } = useConsole();
  const name = nameOfUser(user);
  return (
    <ActionDialog
      title={t('liftTitle')}
      text={ban.service === null ? t('liftText', { name }) : t('liftServiceText', { name, service: ban.service })}
      action={t('lift')}
      onClose={onClose}
      run={async () => {
        const service = ban.service === null ? '' : `?service=${encodeURIComponent(ban.service)}`;
        const { lifted } = await api.send<{ lifted: boolean }>('DELETE', banPath(user.userId) + service);
        notify(lifted ? t('lifted') : t('notLifted'), lifted ? 'good' : 'plain');
        onDone();
      }}
    />
  );
}
