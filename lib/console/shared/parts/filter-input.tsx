import { useEffect, useId, useState } from 'preact/hooks';
import { fromLocalInput, toLocalInput } from '../logic/local-input.js';
import { Field } from './field.js';

interface Props {
  readonly label: string;
  readonly value: string | undefined;
  /** Called when the reader leaves the input or presses Enter. '' takes the filter away. */
  readonly commit: (value: string) => void;
  readonly placeholder?: string;
  readonly suggestions?: readonly string[];
}

/** A filter that is typed. It keeps what is being typed while the list below changes. */
export function FilterInput({ label, value = '', commit, placeholder, suggestions }: Props) {
  const [text, setText] = useState(value);
  const list = useId();
  useEffect(() => setText(value), [value]);
  return (
    <Field label={label}>
      <input
        value={text}
        placeholder={placeholder}
        list={suggestions === undefined ? undefined : list}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => setText(event.currentTarget.value)}
        onChange={(event) => commit(event.currentTarget.value.trim())}
      />
      {suggestions !== undefined && (
        <datalist id={list}>
          {suggestions.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      )}
    </Field>
  );
}

/** A point of time as a filter: shown in the zone of the browser, given on as ISO 8601. */
export function TimeInput({ label, value = '', commit }: Pick<Props, 'label' | 'value' | 'commit' | 'placeholder'>) {
  const [text, setText] = useState(toLocalInput(value));
  useEffect(() => setText(toLocalInput(value)), [value]);
  return (
    <Field label={label}>
      <input
        type="datetime-local"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onChange={(event) => commit(fromLocalInput(event.currentTarget.value))}
      />
    </Field>
  );
}
