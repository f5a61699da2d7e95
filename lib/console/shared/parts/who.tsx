import { useState } from 'preact/hooks';
import { formatRoute } from '../logic/hash-route.js';
import { imageUrl } from '../logic/safe-url.js';

interface Person {
  readonly userId: string;
  readonly username: string | null;
  readonly avatarUrl?: string | null;
}

/** The picture of an account, else its first letter. */
export function Avatar({ userId, username, avatarUrl }: Person) {
  const [broken, setBroken] = useState(false);
  const source = broken ? undefined : imageUrl(avatarUrl);
  if (source === undefined)
    return (
      <span class="avatar" aria-hidden="true">
        {[...(username ?? userId)][0]?.toUpperCase()}
      </span>
    );
  return <img class="avatar" src={source} alt="" referrerpolicy="no-referrer" onError={() => setBroken(true)} />;
}

/** An account, linked to its page. */
export function Who(person: Person) {
  return (
    <a class="who" href={formatRoute(['user', person.userId])} data-open>
      <Avatar {...person} />
      <span class="who-text">
        <span class="who-name">{person.username ?? person.userId}</span>
        {person.username !== null && <small class="muted">{person.userId}</small>}
      </span>
    </a>
  );
}
