import { useEffect, useState } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import type { OnlineCount, Stats } from '../contract.js';
import { useLive } from '../shared/hooks/use-live.js';
import { useLoad } from '../shared/hooks/use-load.js';
import { changeQuery } from '../shared/hooks/use-route.js';
import type { Query } from '../shared/logic/online-filter.js';
import { Choice } from '../shared/parts/choice.js';
import { Loaded } from '../shared/parts/states.js';
import { stepTime } from '../shared/parts/time.js';
import { DeviceTypes } from './device-types.js';
import { FailedLoginsCard } from '../addresses/failed-logins.js';
import { StatsCharts } from './stats-charts.js';

const REFRESH_MS = 60_000;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** How many are online, and what the last day or month was like. */
export function Overview({ query }: { query: Query }) {
  const { api, language, t } = useConsole();
  const range = query.range === '30d' ? '30d' : '24h';
  const [now, setNow] = useState<OnlineCount>();
  const stats = useLoad(range, (signal) => api.get<Stats>('/stats', { range }, signal));
  useEffect(() => (stats.data?.online ? setNow(undefined) : undefined), [stats.data]);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || stats.reload(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [stats.reload]);
  useLive((message) => message.kind === 'online' && setNow(message.count));
  const online = now ?? stats.data?.online ?? null;
  return (
    <>
      <div class="page-head">
        <h1>{t('overview')}</h1>
        <span class="spacer" />
        <Choice
          label={t('range')}
          value={range}
          options={[
            ['24h', t('range.24h')],
            ['30d', t('range.30d')],
          ]}
          choose={(chosen) => changeQuery({ range: chosen === '24h' ? undefined : chosen })}
        />
      </div>
      <Loaded load={stats} rows={8}>
        {({ at, series, step }) => {
          // The last step has only begun, so that they are not the 24 hours or 30 days before now.
          const within = t('sinceTime', { time: stepTime(language, series[0]!.at, step) });
          const about = online?.isEstimate ?? false;
          return (
            <>
              <div class="figures">
                <Figure label={t('onlineSessions')} value={online?.sessions ?? null} about={about} />
                <Figure label={t('onlineUsers')} value={online?.users ?? null} about={about} />
                <Figure label={t('logins')} value={sum(series.map((each) => each.logins))} note={within} />
                <Figure label={t('failedLogins')} value={sum(series.map((each) => each.failedLogins))} note={within} />
              </div>
              <StatsCharts {...{ at, series, step }} />
            </>
          );
        }}
      </Loaded>
      <div class="halves section">
        {online && <DeviceTypes byDeviceType={online.byDeviceType} />}
        <FailedLoginsCard query={query} />
      </div>
    </>
  );
}

interface FigureProps {
  readonly label: string;
  /** Null where it is not known. */
  readonly value: number | null;
  readonly about?: boolean;
  readonly note?: string;
}

function Figure({ label, value, about = false, note }: FigureProps) {
  const { t } = useConsole();
  const text = value === null ? '–' : t('figure', { n: value });
  return (
    <div class="card figure" role="group" aria-label={label}>
      <span class="figure-label">{label}</span>
      <strong class="figure-value">{about && value !== null ? t('about', { n: text }) : text}</strong>
      {value === null && <small class="muted">{t('notCounted')}</small>}
      {note !== undefined && <small class="muted">{note}</small>}
    </div>
  );
}
