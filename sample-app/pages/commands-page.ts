import type { SampleConfig, TokenConfig } from '../config/sample-config.js';

type Step = readonly [title: string, ...commands: string[]];

/**
 * Renders the tour of shell commands, in the order in which to try them.
 * @param origin such as `http://127.0.0.1:3000`
 */
export function commandsPage(
  origin: string,
  mode: TokenConfig['mode'],
  transport: SampleConfig['transport']['kind'],
): string {
  const json = `-H 'content-type: application/json'`;
  // Quoted, since zsh expands a bare ? as a file pattern.
  const call = (path: string, token: string) => `curl -s '${origin}${path}' -H "authorization: Bearer $${token}"`;
  const login = (name: string, device: string, token: string) =>
    `${token}_LOGIN=$(curl -s ${origin}/auth/login ${json} \\
  -d '{"username":"${name}","password":"${name}-password","deviceType":"${device}","deviceName":"${device} of ${name}"}' \\
  | tee /dev/stderr)
${field(token, `${token}_LOGIN`, 'accessToken')}`;
  const refresh = (token: string) => `curl -s ${origin}/auth/refresh ${json} -d "{\\"refreshToken\\":\\"$${token}\\"}"`;
  const steps: readonly Step[] = [
    ['Log in on a phone', login('alice', 'phone', 'PHONE')],
    ['Who am I?', call('/me', 'PHONE')],
    ['Log in on a laptop: "ended" names the session of the phone', login('alice', 'laptop', 'LAPTOP')],
    ['The phone is refused, and told why: SESSION_REPLACED', `${call('/me', 'PHONE')} -i`],
    ['The laptop works, and sees its session', call('/me', 'LAPTOP'), call('/sessions', 'LAPTOP')],
    ...renewalSteps(mode, origin, refresh),
    [
      'Store data for this session, and for the account',
      `${call('/me/token-data/cart', 'LAPTOP')} -X PUT ${json} -d '{"value":["book"]}'`,
      `${call('/me/account-data/theme', 'LAPTOP')} -X PUT ${json} -d '{"value":"dark"}'`,
      call('/me/account-data/theme', 'LAPTOP'),
    ],
    [
      'A route that needs a login of the last ten minutes, and how to confirm the password later',
      `${call('/me/sensitive', 'LAPTOP')} -X POST`,
      `${call('/auth/confirm-password', 'LAPTOP')} -i ${json} -d '{"password":"alice-password"}'`,
    ],
    ['Log in as the operator', login('admin', 'desktop', 'ADMIN')],
    ['Who is online, and what happened?', call('/admin/online-users', 'ADMIN'), call('/admin/events', 'ADMIN')],
    [
      'Ban alice from one service: SERVICE_BANNED there, while everything else works',
      `${call('/admin/users/alice/ban', 'ADMIN')} ${json} -d '{"service":"comment","level":2,"reason":"spam"}'`,
      `${call('/comments', 'LAPTOP')} -i ${json} -d '{"text":"Hello"}'`,
      `${call('/admin/users/alice/ban?service=comment', 'ADMIN')} -X DELETE`,
    ],
    [
      'See what alice sees: /me names the "impersonator"',
      `AS_ALICE=$(${call('/admin/users/alice/impersonate', 'ADMIN')} ${json} -d '{"reason":"ticket 7","for":"10m"}')
${field('AS_ALICE', 'AS_ALICE', 'accessToken')}`,
      call('/me', 'AS_ALICE'),
    ],
    ['End all sessions of alice', `${call('/admin/users/alice/sessions', 'ADMIN')} -X DELETE`],
    ['The laptop is told: SESSION_KICKED', `${call('/me', 'LAPTOP')} -i`],
    [
      'Ban alice from everything: the next login gets ACCOUNT_DISABLED; then lift the ban',
      `${call('/admin/users/alice/ban', 'ADMIN')} ${json} -d '{"reason":"spam"}'`,
      login('alice', 'phone', 'PHONE'),
      `${call('/admin/users/alice/ban', 'ADMIN')} -X DELETE`,
    ],
    ['Log out', `${call('/auth/logout', 'ADMIN')} -X POST -i`],
  ];
  const items = steps
    .map(([title, ...commands]) => `<li>${escaped(title)}<pre>${escaped(commands.join('\n'))}</pre></li>`)
    .join('\n');
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sessions in a shell</title>
<link rel="icon" href="/assets/icon.svg">
<link rel="stylesheet" href="/assets/style.css">
<main class="commands">
<p><a href="/">Back to the page with two devices</a></p>
<h1>Sessions in a shell</h1>
${transport === 'cookie' ? '<p><strong>These commands send tokens, and get 403 here: start it again with TOKEN_TRANSPORT=bearer or both.</strong></p>\n' : ''}<p>Users: alice, bob and admin, each with the password NAME-password. In a shell:</p>
<ol>
${items}
</ol>
<p>Start it again with SESSION_POLICY=multi:2 or SESSION_POLICY=per-device-type, or with another TOKEN_MODE (now
${mode}, of refresh, sliding and jwt), and repeat the tour.</p>
</main>
</html>
`;
}

/** Returns a shell command that assigns one field of an answer. */
function field(variable: string, answer: string, name: string): string {
  return `${variable}=$(echo "$${answer}" | sed 's/.*"${name}":"\\([^"]*\\)".*/\\1/')`;
}

function renewalSteps(mode: TokenConfig['mode'], origin: string, refresh: (token: string) => string): Step[] {
  if (mode === 'sliding') {
    return [
      [
        'Near the end of a token, a response carries its successor: X-Renewed-Token (start with ACCESS_TTL=1m to see it)',
        `curl -si ${origin}/me -H "authorization: Bearer $LAPTOP" | grep -i -e ^HTTP -e x-renewed`,
      ],
    ];
  }
  return [
    [
      'Refresh twice, as if the first reply was lost: both answers have the same pair of tokens',
      `${field('REFRESH', 'LAPTOP_LOGIN', 'refreshToken')}
${refresh('REFRESH')}`,
      refresh('REFRESH'),
    ],
    ...(mode === 'jwt'
      ? [['The keys with which other services verify the tokens', `curl -s ${origin}/.well-known/jwks.json`] as const]
      : []),
  ];
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
