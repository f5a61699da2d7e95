import { useConsole } from '../../console-context.js';

interface Props {
  readonly fresh: number;
  readonly stale: boolean;
  readonly text: 'nNew' | 'nNewEvents';
  readonly show: () => void;
}

/** Offers what has come since a list was loaded, so that its rows stay where they are until the reader wants them to move. */
export function LiveNews({ fresh, stale, text, show }: Props) {
  const { t } = useConsole();
  return (
    <span role="status">
      {(fresh > 0 || stale) && (
        <button type="button" class="button news" onClick={show}>
          {fresh > 0 ? t(text, { n: fresh }) : t('changed')}
        </button>
      )}
    </span>
  );
}
