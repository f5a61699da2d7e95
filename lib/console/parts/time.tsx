import { useConsole } from '../console-context.js';
import { useNow } from '../hooks/use-now.js';
import { relativeParts } from '../logic/relative-time.js';
import { localeOf } from '../locale.js';
import type { Language } from '../text/language.js';

/** Date and time in the zone of the browser. */
export const dateTime = (language: Language, at: string | number): string =>
  new Intl.DateTimeFormat(localeOf(language), { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(at));

/** How long ago; the exact time is its title. */
export function Time({ at }: { at: string | null }) {
  const { language, t } = useConsole();
  const now = useNow(20_000);
  if (at === null) return <span class="muted">{t('never')}</span>;
  const { value, unit } = relativeParts(Date.parse(at), now);
  const relative = new Intl.RelativeTimeFormat(localeOf(language), { numeric: 'auto', style: 'short' });
  return (
    <time dateTime={at} title={dateTime(language, at)}>
      {relative.format(value, unit)}
    </time>
  );
}

/** The exact time; how long ago is its title. */
export function ExactTime({ at }: { at: string }) {
  const { language } = useConsole();
  const { value, unit } = relativeParts(Date.parse(at), Date.now());
  const relative = new Intl.RelativeTimeFormat(localeOf(language), { numeric: 'auto' });
  return (
    <time dateTime={at} title={relative.format(value, unit)}>
      {dateTime(language, at)}
    </time>
  );
}
