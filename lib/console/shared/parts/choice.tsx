interface Props<Value extends string> {
  readonly label: string;
  readonly value: Value;
  readonly options: readonly (readonly [Value, string])[];
  readonly choose: (value: Value) => void;
}

/** One of a few, as buttons side by side. */
export function Choice<Value extends string>({ label, value, options, choose }: Props<Value>) {
  return (
    <span class="button-group" role="group" aria-label={label}>
      {options.map(([each, text]) => (
        <button key={each} type="button" class="button" aria-pressed={each === value} onClick={() => choose(each)}>
          {text}
        </button>
      ))}
    </span>
  );
}
