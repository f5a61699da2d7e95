import type { Tone } from '../console-context.js';

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: Tone;
}

/** Short messages that leave by themselves. The region is always there, so that readers notice what comes into it. */
export function Toasts({ toasts }: { toasts: readonly Toast[] }) {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.map(({ id, text, tone }) => (
        <p key={id} class={`toast ${tone}`}>
          {text}
        </p>
      ))}
    </div>
  );
}
