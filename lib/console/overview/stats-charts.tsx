import { useMemo, useState } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import type { Stats } from '../contract.js';
import { stack } from './stack.js';
import { isUnfinished } from '../shared/logic/step.js';
import { Chart, type Line } from './chart.js';
import { Choice } from '../shared/parts/choice.js';
import { DataTable } from '../shared/parts/data-table.js';
import { reasonClass } from '../shared/parts/session-cells.js';
import { StepTime } from '../shared/parts/time.js';
import { nameOf } from '../text/language.js';

/** In the order of the stack, from below. */
const REASONS = [
  'SESSION_LOGGED_OUT',
  'SESSION_REPLACED',
  'SESSION_IDLE',
  'SESSION_EXPIRED',
  'TOKEN_EXPIRED',
  'SESSION_KICKED',
  'SESSION_REVOKED',
  'ACCOUNT_DISABLED',
  'REFRESH_REUSED',
];

/** Online, logins and ends over time: as charts, or as a table with the same numbers. */
export function StatsCharts({ at: now, series, step }: Pick<Stats, 'at' | 'series' | 'step'>) {
  const { t } = useConsole();
  const [table, setTable] = useState(false);
  const unfinished = (at: string): boolean => isUnfinished(Date.parse(at), step, Date.parse(now));
  const lastAt = series.at(-1)?.at;
  const times = useMemo(() => series.map(({ at }) => Date.parse(at) / 1000), [series]);
  const online = useMemo(
    (): Line[] => [{ label: t('onlineSessions'), color: 'c-online', data: series.map((each) => each.online) }],
    [series, t],
  );
  const logins = useMemo(
    (): Line[] => [
      { label: t('logins'), color: 'c-logins', data: series.map((each) => each.logins) },
      { label: t('failedLogins'), color: 'c-failed', data: series.map((each) => each.failedLogins) },
    ],
    [series, t],
  );
  const layers = useMemo(
    () =>
      stack(
        series.map(({ ends }) => ends),
        REASONS,
      ),
    [series],
  );
  const ends = useMemo(
    (): Line[] =>
      layers.map(({ name, edge, values }) => ({
        label: nameOf(t, 'reason', name),
        color: reasonClass(name),
        data: edge,
        values,
      })),
    [layers, t],
  );
  const charts = [
    { label: t('chartOnline'), lines: online, kind: 'area' },
    { label: t('chartLogins'), lines: logins, kind: 'area' },
    { label: t('chartEnds'), lines: ends, kind: 'bars' },
  ] as const;
  return (
    <section class="section" aria-label={t('range')}>
      <div class="list-head">
        <span class="spacer" />
        <Choice
          label={t('details')}
          value={table ? 'table' : 'chart'}
          options={[
            ['chart', t('showChart')],
            ['table', t('showTable')],
          ]}
          choose={(value) => setTable(value === 'table')}
        />
      </div>
      {table ? (
        <DataTable
          caption={t('chartOnline')}
          columns={[
            { id: 'at', head: t('time'), cell: ({ at }) => <StepTime {...{ at, step }} unfinished={unfinished(at)} /> },
            { id: 'online', head: t('onlineSessions'), numeric: true, cell: (row) => row.online ?? '–' },
            { id: 'logins', head: t('logins'), numeric: true, cell: (row) => row.logins },
            { id: 'failed', head: t('failedLogins'), numeric: true, cell: (row) => row.failedLogins },
            ...[...layers].reverse().map(({ name }) => ({
              id: name,
              head: nameOf(t, 'reason', name),
              numeric: true,
              cell: (row: Stats['series'][number]) => row.ends[name] ?? 0,
            })),
          ]}
          rows={[...series].reverse()}
          keyOf={(row) => row.at}
        />
      ) : (
        <div class="charts">
          {charts.map((chart) => (
            <div key={chart.label} class="card">
              <h2 class="card-head">{chart.label}</h2>
              <Chart {...chart} {...{ times, step }} unfinished={lastAt !== undefined && unfinished(lastAt)} />
            </div>
          ))}
        </div>
      )}
    </section>
  );
}
