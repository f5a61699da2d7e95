import { useState } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import { useNow } from '../shared/hooks/use-now.js';
import { timeBars, timeTicks } from './time-bars.js';
import { Choice } from '../shared/parts/choice.js';
import { reasonClass } from '../shared/parts/session-cells.js';
import { Empty } from '../shared/parts/states.js';
import { dateTime } from '../shared/parts/time.js';
import { localeOf } from '../locale.js';
import { nameOf } from '../text/language.js';
import { type AnySession, SessionFacts } from './session-facts.js';

const DAY = 86_400_000;
const RANGES = { '24h': DAY, '7d': 7 * DAY, '30d': 30 * DAY };
type RangeName = keyof typeof RANGES;

interface Props {
  readonly sessions: readonly AnySession[];
  /** How many there are at most, where that is not all of them. */
  readonly latest: number | undefined;
}

/** The sessions of an account as bars over time, coloured by how each ended. A bar tells all about its session when it is chosen. */
export function Timeline({ sessions, latest }: Props) {
  const { language, t } = useConsole();
  const now = useNow(60_000);
  const [range, setRange] = useState<RangeName>('30d');
  const [chosen, setChosen] = useState<string>();
  const window = { from: now - RANGES[range], to: now };
  const spans = sessions.map((session) => ({
    session,
    from: Date.parse(session.createdAt),
    to: session.endedAt === undefined ? now : Date.parse(session.endedAt),
  }));
  const { bars, lanes } = timeBars(spans, window);
  const tick = new Intl.DateTimeFormat(
    localeOf(language),
    range === '24h' ? { hour: '2-digit', minute: '2-digit' } : { month: 'short', day: 'numeric' },
  );
  const reasons = [...new Set(bars.map(({ item }) => item.session.endReason ?? 'live'))];
  const about = ({ deviceName, deviceType, createdAt, endedAt, endReason }: AnySession): string =>
    [
      deviceName ?? deviceType ?? t('unknown'),
      `${dateTime(language, createdAt)} – ${endedAt === undefined ? '' : dateTime(language, endedAt)}`,
      endReason === undefined ? t('stillLive') : nameOf(t, 'reason', endReason),
    ].join(', ');
  const detail = sessions.find((session) => session.sessionId === chosen);
  return (
    <section class="card" aria-label={t('timeline')}>
      <div class="card-head">
        <h2>{t('timeline')}</h2>
        {latest !== undefined && <span class="muted">{t('onlyLatest', { n: latest })}</span>}
        <span class="spacer" />
        <Choice
          label={t('range')}
          value={range}
          options={[
            ['24h', t('range.24h')],
            ['7d', t('range.7d')],
            ['30d', t('range.30d')],
          ]}
          choose={setRange}
        />
      </div>
      {bars.length === 0 ? (
        <Empty>{t('timelineEmpty')}</Empty>
      ) : (
        <>
          <div class="timeline">
            <div class="ticks" aria-hidden="true">
              {timeTicks(window, -new Date(now).getTimezoneOffset()).map((at) => (
                <span key={at} style={{ left: `${((at - window.from) / (window.to - window.from)) * 100}%` }}>
                  {tick.format(at)}
                </span>
              ))}
            </div>
            <ol class="lanes" style={{ height: `${lanes * 1.75}rem` }}>
              {bars.map(({ item: { session }, lane, left, width }) => (
                <li key={session.sessionId} style={{ left: `${left}%`, width: `${width}%`, top: `${lane * 1.75}rem` }}>
                  <button
                    type="button"
                    class={`bar ${session.endReason === undefined ? 'end-live' : reasonClass(session.endReason)}`}
                    aria-label={about(session)}
                    aria-pressed={session.sessionId === chosen}
                    title={about(session)}
                    onClick={() => setChosen(session.sessionId === chosen ? undefined : session.sessionId)}
                  />
                </li>
              ))}
            </ol>
          </div>
          <ul class="legend">
            {reasons.map((reason) => (
              <li key={reason} class={`swatch ${reason === 'live' ? 'end-live' : reasonClass(reason)}`}>
                {reason === 'live' ? t('stillLive') : nameOf(t, 'reason', reason)}
              </li>
            ))}
          </ul>
        </>
      )}
      {detail && <SessionFacts session={detail} />}
    </section>
  );
}
