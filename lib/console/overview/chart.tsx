import uPlot from 'uplot';
import { useEffect, useRef } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import { localeOf } from '../locale.js';
import { drawnLine, type Step, zoneOf } from '../shared/logic/step.js';

export interface Line {
  readonly label: string;
  /** Class that sets the custom property `--end`, the colour. */
  readonly color: string;
  /** What is drawn. */
  readonly data: readonly (number | null)[];
  /** What the legend tells, where it is not what is drawn. */
  readonly values?: readonly (number | null)[];
}

interface Props {
  readonly label: string;
  /** Seconds since 1970 of each step. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly kind: 'area' | 'bars';
  readonly step: Step;
  /** Whether the last step still goes on: it is drawn dashed. */
  readonly unfinished: boolean;
}

const HEIGHT = 240;

/** A canvas knows no custom properties, so an element is asked what they come to in the theme of now. */
function colorOf(parent: HTMLElement, className: string, property = '--end'): string {
  const probe = document.createElement('i');
  probe.className = className;
  probe.style.color = `var(${property})`;
  parent.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** A chart over time. It is drawn anew when its data, its width or the theme changes. */
export function Chart({ label, times, lines, kind, step, unfinished }: Props) {
  const { language, t } = useConsole();
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = holder.current!;
    let plot: uPlot | undefined;
    const draw = (): void => {
      plot?.destroy();
      const drawn = lines.map(({ data }) => drawnLine(data, unfinished, kind === 'area'));
      const words = { time: t('time'), soFar: t('soFar') };
      plot = new uPlot(
        options(element, { label, times, lines, kind, step, unfinished }, localeOf(language), words),
        [
          [...times],
          ...drawn.map(({ finished }) => finished),
          ...drawn.flatMap(({ unfinished: last }) => (last === null ? [] : [last])),
        ],
        element,
      );
    };
    const observer = new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height: HEIGHT }));
    const dark = matchMedia('(prefers-color-scheme: dark)');
    draw();
    observer.observe(element);
    addEventListener('themechange', draw);
    dark.addEventListener('change', draw);
    return () => {
      observer.disconnect();
      removeEventListener('themechange', draw);
      dark.removeEventListener('change', draw);
      plot?.destroy();
    };
  }, [times, lines, kind, step, unfinished, language]);
  return (
    <>
      <div ref={holder} class="chart" role="group" aria-label={label} />
      <p class="chart-note">
        {unfinished && t(step === 'hour' ? 'dashedHour' : 'dashedDay')} {step === 'day' && t('daysOfUtc')}
      </p>
    </>
  );
}

interface Words {
  readonly time: string;
  readonly soFar: string;
}

function options(element: HTMLElement, props: Props, tag: string, words: Words): uPlot.Options {
  const { times, lines, kind, step, unfinished } = props;
  const timeZone = zoneOf(step);
  const grid = { stroke: colorOf(element, '', '--line'), width: 1 };
  const axis = { stroke: colorOf(element, '', '--muted'), grid, ticks: { show: false }, font: '12px system-ui' };
  const short = new Intl.DateTimeFormat(
    tag,
    step === 'hour' ? { hour: '2-digit', minute: '2-digit' } : { month: 'short', day: 'numeric', timeZone },
  );
  const long = new Intl.DateTimeFormat(tag, {
    dateStyle: 'medium',
    ...(step === 'hour' ? { timeStyle: 'short' } : { timeZone }),
  });
  const last = unfinished ? times.at(-1) : undefined;
  const surface = colorOf(element, '', '--surface');
  const numbers = new Intl.NumberFormat(tag, { notation: 'compact' });
  const whole = new Intl.NumberFormat(tag);
  const bars = uPlot.paths.bars!({ size: [0.7, 40], radius: 0.15 });
  return {
    width: element.clientWidth,
    height: HEIGHT,
    ...(timeZone !== undefined && { tzDate: (at: number) => uPlot.tzDate(new Date(at * 1000), timeZone) }),
    cursor: { drag: { x: false, y: false }, points: { show: kind === 'area' } },
    scales: {
      x: { time: true, ...(kind === 'bars' && { range: padded(times) }) },
      y: { range: (_plot, _low, high) => [0, Math.max(4, high * 1.1)] },
    },
    axes: [
      { ...axis, space: 60, size: 30, values: (_plot, splits) => splits.map((at) => short.format(at * 1000)) },
      {
        ...axis,
        size: 44,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6],
        values: (_plot, splits) => splits.map((value) => numbers.format(value)),
      },
    ],
    series: [
      {
        label: words.time,
        value: (_plot, at: number | null) =>
          at === null ? '–' : `${long.format(at * 1000)}${at === last ? ` (${words.soFar})` : ''}`,
      },
      ...lines.map(({ label, color, data, values = data }): uPlot.Series => {
        const stroke = colorOf(element, color);
        return {
          label,
          stroke,
          width: kind === 'area' ? 2 : 0,
          fill: kind === 'area' ? `color-mix(in srgb, ${stroke} 14%, transparent)` : stroke,
          ...(kind === 'bars' && { paths: bars }),
          points: { show: false },
          value: (_plot, _value, _series, index) =>
            index === null
              ? '–'
              : values[index] === null || values[index] === undefined
                ? '–'
                : whole.format(values[index]),
        };
      }),
      ...(unfinished ? lines : []).map(({ label, color }): uPlot.Series => {
        const stroke = colorOf(element, color);
        return {
          // Of the same line, whose entry in the legend tells its value too.
          class: 'so-far',
          label: `${label} (${words.soFar})`,
          stroke,
          width: kind === 'area' ? 2 : 1,
          dash: [4, 4],
          ...(kind === 'bars' && { paths: bars, fill: `color-mix(in srgb, ${stroke} 25%, ${surface})` }),
          points: { show: kind === 'area', size: 5 },
        };
      }),
    ],
  };
}

/** Half a step of room on both sides, for the first and the last bar. */
function padded(times: readonly number[]): [number, number] {
  const first = times[0] ?? 0;
  const half = ((times[1] ?? first + 3600) - first) / 2;
  return [first - half, (times.at(-1) ?? first) + half];
}
