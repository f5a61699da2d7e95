import { useEffect, useRef, useState } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import type { Page, PastSession, SessionItem, UserSummary } from '../contract.js';
import { useLive } from '../shared/hooks/use-live.js';
import { useLiveSessions } from '../shared/hooks/use-live-sessions.js';
import { useLoad } from '../shared/hooks/use-load.js';
import { changeQuery } from '../shared/hooks/use-route.js';
import type { KickTarget } from '../shared/kick/kick-work.js';
import { pick, type Query } from '../shared/logic/online-filter.js';
import { DataTable } from '../shared/parts/data-table.js';
import { KickDialog } from '../shared/kick/kick-dialog.js';
import { LiveNews } from '../shared/parts/live-news.js';
import { Empty, Loaded } from '../shared/parts/states.js';
import { Bans } from './bans.js';
import { PastSessions } from './past-sessions.js';
import { nameOfUser, sessionColumns, targetOf } from '../shared/parts/session-columns.js';
import { Sightings } from '../addresses/sightings.js';
import { Timeline } from './timeline.js';
import { UserHead } from './user-head.js';

/** Most sessions that the timeline shows. */
const MOST = 200;
/** Several ends of one account come together; they are read once. */
const CALM_MS = 800;

/** One account: who it is, its bans, devices, past sessions and addresses. */
export function User({ userId, query }: { userId: string; query: Query }) {
  const context = useConsole();
  const { api, operator, t } = context;
  const path = `/users/${encodeURIComponent(userId)}`;
  const cursor = pick(query, ['cursor']);
  const user = useLoad('user', (signal) => api.get<UserSummary>(path, {}, signal));
  const live = useLoad('live', (signal) => api.get<Page<SessionItem>>(`${path}/sessions`, { limit: MOST }, signal));
  const recent = useLoad('recent', (signal) =>
    api.get<Page<PastSession>>(`${path}/sessions`, { ended: 'true', limit: MOST }, signal),
  );
  const past = useLoad(`past ${query.cursor}`, (signal) =>
    api.get<Page<PastSession>>(`${path}/sessions`, { ended: 'true', limit: 20, ...cursor }, signal),
  );
  const changes = useLiveSessions(live.data?.items, (event) => event.type === 'LOGIN' && event.userId === userId);
  const [target, setTarget] = useState<KickTarget>();
  const [seenCursor, setSeenCursor] = useState<string>();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);

  const readAgain = (): void => {
    user.reload();
    recent.reload();
    past.reload();
  };
  useLive((message) => {
    if (message.kind !== 'change' || message.event.userId !== userId || message.event.type === 'LOGIN_FAILED') return;
    clearTimeout(timer.current);
    timer.current = setTimeout(readAgain, CALM_MS);
  });

  // The head says what the list below it shows, where the list is whole.
  const listed = live.data?.nextCursor === null ? live.data.items : undefined;
  const liveCount = listed?.filter((row) => !changes.ended.has(row.sessionId)).length;
  const isCut = [live.data, recent.data].some((page) => page !== undefined && page.nextCursor !== null);

  return (
    <>
      {user.data === undefined && <h1 class="visually-hidden">{t('user')}</h1>}
      <Loaded load={user} rows={2}>
        {(summary) => (
          <>
            <UserHead
              user={{ ...summary, live: liveCount ?? summary.live }}
              kickAll={() => setTarget({ filter: { userId }, whom: nameOfUser(summary) })}
              onDone={() => {
                readAgain();
                live.reload();
              }}
            />
            <Bans user={summary} onDone={readAgain} />
          </>
        )}
      </Loaded>
      <section class="section">
        <div class="card-head">
          <h2>{t('liveDevices')}</h2>
          {live.data && live.data.nextCursor !== null && <span class="muted">{t('onlyLatest', { n: MOST })}</span>}
          <LiveNews fresh={changes.fresh} stale={changes.stale} text="nNew" show={live.reload} />
        </div>
        <Loaded load={live} rows={3}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty>{t('noSessions')}</Empty>
            ) : (
              <DataTable
                caption={t('liveDevices')}
                columns={sessionColumns(context, changes.ended, (row) => setTarget(targetOf(row, t))).filter(
                  ({ id }) => id !== 'user',
                )}
                rows={items}
                keyOf={(row) => row.sessionId}
                sessionOf={(row) => row.sessionId}
                classOf={(row) => (changes.ended.has(row.sessionId) ? 'ended' : '')}
              />
            )
          }
        </Loaded>
      </section>
      <div class="section">
        <Loaded load={recent} rows={4}>
          {({ items }) => (
            <Timeline
              latest={isCut ? MOST : undefined}
              sessions={[...(live.data?.items.filter((row) => !changes.ended.has(row.sessionId)) ?? []), ...items]}
            />
          )}
        </Loaded>
      </div>
      <PastSessions load={past} go={(next) => changeQuery({ cursor: next })} />
      {operator.rights.viewAddresses && (
        <section class="section">
          <div class="card-head">
            <h2>{t('sightings')}</h2>
          </div>
          <Sightings
            ofOne
            params={{ userId, limit: '20', ...(seenCursor === undefined ? {} : { cursor: seenCursor }) }}
            go={setSeenCursor}
          />
        </section>
      )}
      {target && <KickDialog target={target} onClose={() => setTarget(undefined)} onDone={readAgain} />}
    </>
  );
}
