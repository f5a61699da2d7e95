import type { ComponentChildren } from 'preact';

interface Props {
  readonly label: string;
  readonly hint?: string;
  /** The input, inside the label. */
  readonly children: ComponentChildren;
}

/** An input with its label above and a hint below. */
export function Field({ label, hint, children }: Props) {
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      {children}
      {hint !== undefined && <small class="hint">{hint}</small>}
    </label>
  );
}
