import { useConsole } from '../console-context.js';
import { changeQuery } from '../shared/hooks/use-route.js';
import { fromLocalInput, toLocalInput } from '../shared/logic/local-input.js';
import { pick, type Query } from '../shared/logic/online-filter.js';
import { Field } from '../shared/parts/field.js';
import { Icon } from '../shared/parts/icon.js';
import { Empty } from '../shared/parts/states.js';
import { FailedLoginsCard } from './failed-logins.js';
import { Sightings } from './sightings.js';

const TIMES = [
  ['at', 'at'],
  ['from', 'from'],
  ['to', 'to'],
] as const;

/** Which session used an address at a time, and where failed logins come from. */
export function Addresses({ query }: { query: Query }) {
  const { operator, t } = useConsole();
  if (!operator.rights.viewAddresses)
    return (
      <>
        <h1 class="page-head">{t('addresses')}</h1>
        <Empty>{t('noAddressRight')}</Empty>
      </>
    );
  const lookUp = (form: HTMLFormElement): void => {
    const data = new FormData(form);
    const text = (name: string): string => (data.get(name) as string).trim();
    const times = TIMES.map(([name]) => [name, fromLocalInput(text(name))]);
    // A point of time, or else a period: of both, the point, and the form shows that.
    const period = text('at') === '' ? {} : { from: undefined, to: undefined };
    changeQuery({ cursor: undefined, ip: text('ip'), ...Object.fromEntries(times), ...period });
  };
  return (
    <>
      <div class="page-head">
        <h1>{t('addresses')}</h1>
      </div>
      <section class="card">
        <div class="card-head">
          <h2>{t('lookUpTitle')}</h2>
        </div>
        <p class="muted">{t('lookUpHint')}</p>
        <form
          key={JSON.stringify(query)}
          class="look-up"
          onSubmit={(event) => {
            event.preventDefault();
            lookUp(event.currentTarget);
          }}
        >
          <Field label={t('address')}>
            <input
              name="ip"
              required
              data-search
              autocomplete="off"
              spellcheck={false}
              placeholder="203.0.113.0/24"
              defaultValue={query.ip ?? ''}
            />
          </Field>
          {TIMES.map(([name, label]) => (
            <Field key={name} label={t(label)}>
              <input name={name} type="datetime-local" defaultValue={toLocalInput(query[name])} />
            </Field>
          ))}
          <button type="submit" class="button primary">
            <Icon name="search" /> {t('lookUp')}
          </button>
        </form>
        {query.ip && (
          <Sightings
            params={pick(query, query.at ? ['ip', 'at', 'cursor'] : ['ip', 'from', 'to', 'cursor'])}
            go={(cursor) => changeQuery({ cursor })}
          />
        )}
      </section>
      <FailedLoginsCard query={query} by="ip" />
    </>
  );
}
