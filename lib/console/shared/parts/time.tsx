import { useConsole } from '../../console-context.js';
import { useNow } from '../hooks/use-now.js';
import { relativeParts } from '../logic/relative-time.js';
import { localeOf } from '../../locale.js';
import type { Step } from '../logic/step.js';
import type { Language } from '../../text/language.js';

/** Date and time in the zone of the browser, which the foot of each view names; elsewhere with the zone. */
export const dateTime = (language: Language, at: string | number, withZone = false): string =>
  new Intl.DateTimeFormat(localeOf(language), {
    dateStyle: 'medium',
    timeStyle: withZone ? 'long' : 'medium',
  }).format(new Date(at));

/** The zone of the browser: its name, and how far it is from UTC now. */
export function zoneName(language: Language): string {
  const format = new Intl.DateTimeFormat(localeOf(language), { timeZoneName: 'shortOffset' });
  const offset = format.formatToParts().find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const { timeZone } = format.resolvedOptions();
  return timeZone === offset ? timeZone : `${timeZone} (${offset})`;
}

/** How long ago; the exact time is its title. */
export function Time({ at }: { at: string | null }) {
  const { language, t } = useConsole();
  const now = useNow(20_000);
  if (at === null) return <span class="muted">{t('never')}</span>;
  const { value, unit } = relativeParts(Date.parse(at), now);
  const relative = new Intl.RelativeTimeFormat(localeOf(language), { numeric: 'auto', style: 'short' });
  return (
    <time dateTime={at} title={dateTime(language, at, true)}>
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

/** The hour, or the day of UTC, that begins then. */
export function stepTime(language: Language, at: string, step: Step): string {
  if (step === 'hour') return dateTime(language, at);
  const day = new Intl.DateTimeFormat(localeOf(language), { dateStyle: 'medium', timeZone: 'UTC' });
  return `${day.format(new Date(at))} (UTC)`;
}

interface StepProps {
  readonly at: string;
  readonly step: Step;
  readonly unfinished: boolean;
}

/** The same, and whether it still goes on. */
export function StepTime({ at, step, unfinished }: StepProps) {
  const { language, t } = useConsole();
  return (
    <>
      <time dateTime={at}>{stepTime(language, at, step)}</time> {unfinished && <span class="badge">{t('soFar')}</span>}
    </>
  );
}
