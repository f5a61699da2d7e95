const PREFIX = 'session-console.';

/** What this browser remembers of the reader's choices; null where nothing was chosen or nothing can be stored. */
export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // A browser that stores nothing forgets the choice with the page.
  }
}
