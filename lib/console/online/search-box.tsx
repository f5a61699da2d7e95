import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from '../shared/parts/icon.js';

const PAUSE_MS = 250;

interface Props {
  readonly label: string;
  readonly value: string | undefined;
  readonly search: (text: string) => void;
}

/** Searches when typing pauses, at once on Enter. */
export function SearchBox({ label, value = '', search }: Props) {
  const [text, setText] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const sent = useRef(value);
  useEffect(() => {
    if (value !== sent.current) setText(value);
    sent.current = value;
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const send = (next: string): void => {
    clearTimeout(timer.current);
    sent.current = next.trim();
    search(sent.current);
  };
  return (
    <span class="search">
      <Icon name="search" />
      <input
        type="search"
        data-search
        aria-label={label}
        placeholder={label}
        aria-keyshortcuts="/"
        value={text}
        onInput={(event) => {
          const next = event.currentTarget.value;
          setText(next);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => send(next), PAUSE_MS);
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter') send(text);
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </span>
  );
}
