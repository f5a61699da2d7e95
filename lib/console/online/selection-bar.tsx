import { useConsole } from '../console-context.js';
import type { SessionSelection } from './use-selection.js';

interface Props {
  readonly selection: SessionSelection;
  /** How many the filters find. */
  readonly total: number | undefined;
  readonly kick: () => void;
}

/** What is selected and what can be done with it, at the lower edge of the window. */
export function SelectionBar({ selection, total, kick }: Props) {
  const { t } = useConsole();
  const { ids, matching } = selection;
  if (ids.size === 0) return null;
  return (
    <div class="selection-bar" role="region" aria-label={t('actions')}>
      <span role="status">
        {matching && total !== undefined ? t('allMatching', { n: total }) : t('nSelected', { n: ids.size })}
      </span>
      {!matching && total !== undefined && total > ids.size && (
        <button type="button" class="button quiet" onClick={selection.selectMatching}>
          {t('selectMatching', { n: total })}
        </button>
      )}
      <span class="spacer" />
      <button type="button" class="button" onClick={selection.clear}>
        {t('clearSelection')}
      </button>
      <button type="button" class="button danger" onClick={kick}>
        {t('kickDots')}
      </button>
    </div>
  );
}
