import { useEffect, useRef, useState } from 'preact/hooks';
import { useConsole } from '../../console-context.js';
import type { LiveFeed, LiveMessage, LiveState } from '../../live-feed.js';

/** Calls the listener of the latest rendering with each message of the live stream. */
export function useLive(listener: (message: LiveMessage) => void): void {
  const { live } = useConsole();
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => live.subscribe((message) => latest.current(message)), [live]);
}

export function useLiveState(live: LiveFeed): LiveState {
  const [state, setState] = useState(live.state);
  useEffect(() => {
    setState(live.state);
    return live.subscribeState(() => setState(live.state));
  }, [live]);
  return state;
}
