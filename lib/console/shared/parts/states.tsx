import type { ComponentChildren } from 'preact';
import { useContext } from 'preact/hooks';
import { ConsoleContext, useConsole } from '../../console-context.js';
import { useErrorText } from '../hooks/use-error-text.js';
import type { Load } from '../hooks/use-load.js';
import { useNow } from '../hooks/use-now.js';

/** Grey bars where rows will be. Also shown before anything else is there. */
export function Skeleton({ rows = 6 }: { rows?: number }) {
  const t = useContext(ConsoleContext)?.t;
  return (
    <div class="skeleton" role="status" aria-label={t?.('loading')}>
      {Array.from({ length: rows }, (_, index) => (
        <span key={index} class="skeleton-bar" />
      ))}
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** What went wrong, with a way to try again. */
export function Trouble({ load }: { load: Pick<Load<unknown>, 'error' | 'retryAt' | 'reload'> }) {
  const { t } = useConsole();
  const text = useErrorText();
  const now = useNow(1000);
  const seconds = load.retryAt === undefined ? 0 : Math.max(0, Math.ceil((load.retryAt - now) / 1000));
  return (
    <div class="trouble">
      <p role="alert">{text(load.error)}</p>
      {load.retryAt !== undefined && <p class="muted">{t('error.again', { n: seconds })}</p>}
      <button type="button" class="button" onClick={load.reload}>
        {t('retry')}
      </button>
    </div>
  );
}

interface Props<Data> {
  readonly load: Load<Data>;
  readonly rows?: number;
  readonly children: (data: Data) => ComponentChildren;
}

/** The content once it is there; before that a skeleton, or what went wrong, which is also shown above content that is old. */
export function Loaded<Data>({ load, rows, children }: Props<Data>) {
  return (
    <>
      {load.error !== undefined && <Trouble load={load} />}
      {load.data !== undefined ? (
        <div class={load.loading ? 'busy' : undefined} aria-busy={load.loading}>
          {children(load.data)}
        </div>
      ) : (
        load.loading && <Skeleton rows={rows ?? 6} />
      )}
    </>
  );
}
