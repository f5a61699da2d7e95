import { useConsole } from '../../console-context.js';
import type { TextKey } from '../../text/en.js';
import { type Language, nameOf, type Translate } from '../../text/language.js';
import { Icon } from './icon.js';
import { dateTime } from './time.js';

export interface Filter {
  readonly name: string;
  readonly label: TextKey;
  readonly time?: boolean;
  /** Whether it is a type of events. */
  readonly event?: boolean;
}

/** What a filter that is set asks for, in words. */
export function filterValue(
  { name, time, event }: Filter,
  query: Readonly<Record<string, string>>,
  t: Translate,
  language: Language,
): string {
  const value = query[name]!;
  if (event) return nameOf(t, 'event', value);
  return time && !Number.isNaN(Date.parse(value)) ? dateTime(language, value) : value;
}

interface Props {
  readonly filters: readonly Filter[];
  readonly query: Readonly<Record<string, string>>;
  readonly set: (change: Readonly<Record<string, string | undefined>>) => void;
}

/** The filters that are set, each with a way to take it away. */
export function FilterChips({ filters, query, set }: Props) {
  const { t, language } = useConsole();
  const active = filters.filter(({ name }) => query[name]);
  if (active.length === 0) return null;
  const shown = (filter: Filter): string => filterValue(filter, query, t, language);
  return (
    <div class="chips">
      {active.map((filter) => (
        <button
          key={filter.name}
          type="button"
          class="chip"
          aria-label={t('removeFilter', { name: `${t(filter.label)}: ${shown(filter)}` })}
          onClick={() => set({ [filter.name]: undefined })}
        >
          {t(filter.label)}: <b>{shown(filter)}</b> <Icon name="close" />
        </button>
      ))}
      <button
        type="button"
        class="button quiet"
        onClick={() => set(Object.fromEntries(filters.map(({ name }) => [name, undefined])))}
      >
        {t('clearFilters')}
      </button>
    </div>
  );
}
