import { useConsole } from '../console-context.js';
import { EVENT_TYPES } from '../contract.js';
import { formatRoute } from '../shared/logic/hash-route.js';
import type { Query } from '../shared/logic/online-filter.js';
import { Field } from '../shared/parts/field.js';
import { FilterChips, type Filter } from '../shared/parts/filter-chips.js';
import { FilterInput, TimeInput } from '../shared/parts/filter-input.js';
import { nameOf } from '../text/language.js';

const FILTERS: readonly Filter[] = [
  { name: 'type', label: 'type', event: true },
  { name: 'userId', label: 'userId' },
  { name: 'sessionId', label: 'sessionId' },
  { name: 'ip', label: 'address' },
  { name: 'from', label: 'from', time: true },
  { name: 'to', label: 'to', time: true },
];

interface Props {
  readonly query: Query;
  readonly set: (change: Readonly<Record<string, string | undefined>>) => void;
}

export function EventFilters({ query, set }: Props) {
  const { operator, t } = useConsole();
  const shown = FILTERS.filter(({ name }) => name !== 'ip' || operator.rights.viewAddresses);
  return (
    <>
      <div class="filter-grid filters">
        <Field label={t('type')}>
          <select data-search value={query.type ?? ''} onChange={(event) => set({ type: event.currentTarget.value })}>
            <option value="">{t('all')}</option>
            {EVENT_TYPES.map((type) => (
              <option key={type} value={type}>
                {nameOf(t, 'event', type)}
              </option>
            ))}
          </select>
        </Field>
        {shown.slice(1).map(({ name, label, time }) => {
          const Input = time ? TimeInput : FilterInput;
          const hint = name === 'ip' ? t('oneAddress') : undefined;
          return (
            <Input
              key={name}
              label={t(label)}
              value={query[name]}
              placeholder={hint}
              commit={(value: string) => set({ [name]: value })}
            />
          );
        })}
      </div>
      {query.ip?.includes('/') && (
        <p class="notice">
          {t('eventsOfNetwork')} <a href={formatRoute(['addresses'], { ip: query.ip })}>{t('addresses')}</a>
        </p>
      )}
      <FilterChips filters={shown} query={query} set={set} />
    </>
  );
}
