import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { useConsole } from '../../console-context.js';
import { Icon } from './icon.js';

interface Props {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/** Puts the focus on the first field, where a dialog would put it on the cross. Without a field: on the last button, or nowhere. */
export function focusFirst(within: HTMLElement): void {
  const fields = '.dialog-body :is(input, select, textarea):not([tabindex="-1"], [type="hidden"], :disabled)';
  (within.querySelector<HTMLElement>(fields) ?? within.querySelector<HTMLElement>('.dialog-foot button'))?.focus();
}

/** A modal dialog for as long as it is rendered. Esc and the cross close it; focus returns to where it was. */
export function Dialog({ title, onClose, children }: Props) {
  const { t } = useConsole();
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current!;
    const before = document.activeElement;
    dialog.showModal();
    focusFirst(dialog);
    return () => {
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header class="dialog-head">
        <h2 id={id}>{title}</h2>
        <button type="button" class="button quiet square" aria-label={t('close')} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      {children}
    </dialog>
  );
}
