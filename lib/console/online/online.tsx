import { useState } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import { changeQuery, type SetQuery } from '../shared/hooks/use-route.js';
import { ExportMenu } from '../shared/parts/export-menu.js';
import { ONLINE_FILTERS, pick, type Query, type SeenWords } from '../shared/logic/online-filter.js';
import { SearchBox } from './search-box.js';
import { OnlineFilters } from './online-filters.js';
import { OnlineSessions } from './online-sessions.js';
import { OnlineUsers } from './online-users.js';
import { EndEverythingDialog } from './end-everything-dialog.js';

/** Who is online: the live sessions, or the users that have some. */
export function Online({ query }: { query: Query }) {
  const { operator, t } = useConsole();
  const [ending, setEnding] = useState(false);
  const [seen, setSeen] = useState<SeenWords>({});
  const grouped = query.group === 'user';
  // Another filter or order starts at the first page.
  const set: SetQuery = (change, options) => changeQuery({ cursor: undefined, ...change }, options);
  return (
    <>
      <div class="page-head">
        <h1>{t('online')}</h1>
        <span class="spacer" />
        {!grouped && <ExportMenu path="/online-users/export" query={pick(query, ONLINE_FILTERS)} name="online" />}
        {operator.rights.endEverything && (
          <button type="button" class="button danger" onClick={() => setEnding(true)}>
            {t('endEverything')}
          </button>
        )}
      </div>
      <div class="toolbar">
        <SearchBox label={t('searchOnline')} value={query.q} search={(q) => set({ q }, { replace: true })} />
        <label class="check">
          <input
            type="checkbox"
            checked={grouped}
            onChange={(event) => set({ group: event.currentTarget.checked ? 'user' : undefined, sort: undefined })}
          />
          {t('groupByUser')}
        </label>
      </div>
      <OnlineFilters query={query} set={set} seen={seen} />
      {grouped ? <OnlineUsers query={query} set={set} /> : <OnlineSessions query={query} set={set} seen={setSeen} />}
      {ending && <EndEverythingDialog onClose={() => setEnding(false)} />}
    </>
  );
}
