/** What to try, in the order in which to try it. @param origin such as `http://127.0.0.1:3000` */
export function homePage(origin: string): string {
  const login = (name: string, device: string, token: string) =>
    `${token}=$(curl -s ${origin}/auth/login -H 'content-type: application/json' \\
  -d '{"username":"${name}","password":"${name}-password","deviceType":"${device}","deviceName":"${device} of ${name}"}' \\
  | tee /dev/stderr | sed 's/.*"accessToken":"\\([^"]*\\)".*/\\1/')`;
  const call = (path: string, token: string) => `curl -s ${origin}${path} -H "authorization: Bearer $${token}"`;
  const steps: readonly (readonly [title: string, ...commands: string[]])[] = [
    ['Log in on a phone', login('alice', 'phone', 'PHONE')],
    ['Who am I?', call('/me', 'PHONE')],
    ['Log in on a laptop: "ended" tells of the phone', login('alice', 'laptop', 'LAPTOP')],
    ['The phone is told why it is out: SESSION_REPLACED', `${call('/me', 'PHONE')} -i`],
    ['The laptop works, and sees its session', call('/me', 'LAPTOP'), call('/sessions', 'LAPTOP')],
    ['Log in as the operator', login('admin', 'desktop', 'ADMIN')],
    ['Who is online, and what happened?', call('/admin/online-users', 'ADMIN'), call('/admin/events', 'ADMIN')],
    ['End all sessions of alice', `${call('/admin/users/alice/sessions', 'ADMIN')} -X DELETE`],
    ['The laptop is told: SESSION_KICKED', `${call('/me', 'LAPTOP')} -i`],
    ['Log out', `${call('/auth/logout', 'ADMIN')} -X POST -i`],
  ];
  const items = steps.map(([title, ...commands]) => `<li>${title}<pre>${commands.join('\n')}</pre></li>`).join('\n');
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sessions: what to try</title>
<h1>Sessions that you can see, limit and end</h1>
<p>Users: alice, bob and admin, each with the password NAME-password. In a shell:</p>
<ol>
${items}
</ol>
<p>Start with SESSION_POLICY=multi:2 or SESSION_POLICY=per-device-type, and try the same again.</p>
</html>
`;
}
