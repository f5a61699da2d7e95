const rows = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>('main [data-row]')];

function move(step: 1 | -1): void {
  const all = rows();
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const row = at < 0 ? all[0] : all[Math.min(all.length - 1, Math.max(0, at + step))];
  row?.focus();
  row?.scrollIntoView({ block: 'nearest' });
}

const writes = (element: Element | null): boolean =>
  element instanceof HTMLElement && element.matches('input:not([type=checkbox]), select, textarea, [contenteditable]');

/** Keys that work anywhere but in an input or a dialog. @returns what takes them away again */
export function installShortcuts(showHelp: () => void): () => void {
  const onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector('dialog[open]') !== null || writes(document.activeElement)) return;
    const row = document.activeElement?.closest<HTMLElement>('[data-row]') ?? null;
    const within = row !== null && row !== document.activeElement;
    const steps: Record<string, () => void> = {
      '/': () => document.querySelector<HTMLElement>('main [data-search]')?.focus(),
      '?': showHelp,
      j: () => move(1),
      k: () => move(-1),
      x: () => row?.querySelector<HTMLElement>('[data-select]')?.click(),
      ...(row === null ? {} : { ArrowDown: () => move(1), ArrowUp: () => move(-1) }),
      ...(row === null || within ? {} : { Enter: () => row.querySelector<HTMLElement>('[data-open]')?.click() }),
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    step();
  };
  document.addEventListener('keydown', onKey);
  return () => document.removeEventListener('keydown', onKey);
}
