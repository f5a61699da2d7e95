import { useConsole } from '../../console-context.js';
import type { Page } from '../../contract.js';
import { Icon } from './icon.js';

interface Props {
  readonly page: Page<unknown>;
  readonly go: (cursor: string) => void;
}

/** Steps to the page before and after. Nothing where there is only one. */
export function Pager({ page, go }: Props) {
  const { t } = useConsole();
  const { prevCursor, nextCursor } = page;
  if (prevCursor === null && nextCursor === null) return null;
  return (
    <nav class="pager" aria-label={t('pages')}>
      <button type="button" class="button" disabled={prevCursor === null} onClick={() => go(prevCursor!)}>
        <Icon name="left" /> {t('previous')}
      </button>
      <button type="button" class="button" disabled={nextCursor === null} onClick={() => go(nextCursor!)}>
        {t('next')} <Icon name="right" />
      </button>
    </nav>
  );
}
