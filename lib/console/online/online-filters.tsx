import { useConsole } from '../console-context.js';
import { type SeenWords, WORD_FILTERS } from '../shared/logic/online-filter.js';
import { FilterChips, type Filter, filterValue } from '../shared/parts/filter-chips.js';
import { FilterInput, TimeInput } from '../shared/parts/filter-input.js';
import { Icon } from '../shared/parts/icon.js';

const FILTERS: readonly Filter[] = [
  { name: 'q', label: 'search' },
  { name: 'userId', label: 'userId' },
  ...WORD_FILTERS.map((name) => ({ name, label: name })),
  { name: 'ip', label: 'address' },
  { name: 'createdFrom', label: 'signedInFrom', time: true },
  { name: 'createdTo', label: 'signedInTo', time: true },
  { name: 'seenFrom', label: 'seenFrom', time: true },
  { name: 'seenTo', label: 'seenTo', time: true },
];

/** Says a query in words, one filter a line. */
export function useFilterWords(): (query: Readonly<Record<string, string>>) => string {
  const { t, language } = useConsole();
  return (query) =>
    FILTERS.filter(({ name }) => query[name])
      .map((filter) => `${t(filter.label)}: ${filterValue(filter, query, t, language)}`)
      .join('\n');
}

interface Props {
  readonly query: Readonly<Record<string, string>>;
  readonly set: (change: Readonly<Record<string, string | undefined>>) => void;
  readonly seen: SeenWords;
}

/** Filters of the live sessions beyond the search, and which of them are set. */
export function OnlineFilters({ query, set, seen }: Props) {
  const { t, operator } = useConsole();
  return (
    <>
      <details class="filters">
        <summary>
          <Icon name="filter" /> {t('moreFilters')}
        </summary>
        <div class="filter-grid">
          {FILTERS.filter(({ name }) => name !== 'q' && (name !== 'ip' || operator.rights.viewAddresses)).map(
            ({ name, label, time }) => {
              const props = { label: t(label), value: query[name], commit: (value: string) => set({ [name]: value }) };
              if (time) return <TimeInput key={name} {...props} />;
              if (name === 'ip') return <FilterInput key={name} {...props} placeholder={t('addressHint')} />;
              if (name === 'userId') return <FilterInput key={name} {...props} />;
              return <FilterInput key={name} {...props} suggestions={seen[name as keyof SeenWords] ?? []} />;
            },
          )}
        </div>
      </details>
      <FilterChips filters={FILTERS} query={query} set={set} />
    </>
  );
}
