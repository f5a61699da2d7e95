import { useState } from 'preact/hooks';
import { useConsole } from '../../console-context.js';
import { useErrorText } from '../hooks/use-error-text.js';
import { Icon } from './icon.js';

const FORMATS = ['csv', 'ndjson'] as const;

interface Props {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Of the file, without its ending. */
  readonly name: string;
}

/** Buttons that save what the filters find. The file comes by fetch, since a link would carry no token. */
export function ExportMenu({ path, query, name }: Props) {
  const { api, t, operator, notify } = useConsole();
  const errorText = useErrorText();
  const [busy, setBusy] = useState(false);
  if (!operator.rights.export) return null;
  const save = async (format: string): Promise<void> => {
    setBusy(true);
    notify(t('preparingExport'));
    try {
      const url = URL.createObjectURL(await api.download(path, { ...query, format }));
      const file = `${name}-${new Date().toISOString().slice(0, 10)}.${format}`;
      const link = Object.assign(document.createElement('a'), { href: url, download: file });
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      notify(t('exported', { name: file }), 'good');
    } catch (error) {
      notify(errorText(error), 'bad');
    }
    setBusy(false);
  };
  return (
    <span class="button-group" role="group" aria-label={t('export')}>
      {FORMATS.map((format) => (
        <button
          key={format}
          type="button"
          class="button"
          disabled={busy}
          aria-label={t('exportAs', { format: format.toUpperCase() })}
          onClick={() => void save(format)}
        >
          <Icon name="down" /> {format.toUpperCase()}
        </button>
      ))}
    </span>
  );
}
