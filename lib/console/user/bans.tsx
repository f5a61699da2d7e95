import { useState } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import type { BanItem, UserSummary } from '../contract.js';
import { DataTable } from '../shared/parts/data-table.js';
import { Empty } from '../shared/parts/states.js';
import { ExactTime, Time } from '../shared/parts/time.js';
import { LiftDialog } from './ban-dialogs.js';

/** The bans of an account that are in force. */
export function Bans({ user, onDone }: { user: UserSummary; onDone: () => void }) {
  const { operator, t } = useConsole();
  const [lifting, setLifting] = useState<BanItem>();
  return (
    <section class="section">
      <div class="card-head">
        <h2>{t('bans')}</h2>
      </div>
      {user.bans.length === 0 ? (
        <Empty>{t('noBans')}</Empty>
      ) : (
        <DataTable
          caption={t('bans')}
          columns={[
            {
              id: 'service',
              head: t('banService'),
              cell: (ban) => <span class="badge bad">{ban.service ?? t('wholeAccount')}</span>,
            },
            { id: 'level', head: t('banLevel'), numeric: true, cell: (ban) => ban.level },
            { id: 'reason', head: t('reason'), cell: (ban) => ban.reason ?? '–' },
            { id: 'at', head: t('since'), cell: (ban) => <Time at={ban.at} /> },
            {
              id: 'until',
              head: t('banUntil'),
              cell: (ban) => (ban.until === null ? t('untilLifted') : <ExactTime at={ban.until} />),
            },
            { id: 'by', head: t('actor'), cell: (ban) => ban.by ?? '–' },
            {
              id: 'actions',
              head: t('actions'),
              cell: (ban) =>
                operator.rights.ban && (
                  <button type="button" class="button small" onClick={() => setLifting(ban)}>
                    {t('lift')}
                  </button>
                ),
            },
          ]}
          rows={user.bans}
          keyOf={(ban) => ban.service ?? ''}
        />
      )}
      {lifting && (
        <LiftDialog
          user={user}
          ban={lifting}
          onClose={() => setLifting(undefined)}
          onDone={() => {
            setLifting(undefined);
            onDone();
          }}
        />
      )}
    </section>
  );
}
