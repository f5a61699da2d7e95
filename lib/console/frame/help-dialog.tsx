import { useConsole } from '../console-context.js';
import type { TextKey } from '../text/en.js';
import { Dialog } from '../shared/parts/dialog.js';

const KEYS: readonly (readonly [readonly string[], TextKey])[] = [
  [['/'], 'key.search'],
  [['j', '↓', 'k', '↑'], 'key.move'],
  [['Enter'], 'key.open'],
  [['x'], 'key.select'],
  [['Esc'], 'key.close'],
  [['?'], 'key.help'],
];

export function HelpDialog({ onClose }: { onClose: () => void }) {
  const { t } = useConsole();
  return (
    <Dialog title={t('shortcuts')} onClose={onClose}>
      <dl class="dialog-body keys">
        {KEYS.map(([keys, text]) => (
          <div key={text}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{t(text)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
