import { fillFacts, showNotice, slot } from './dom.js';
import { onLanguage, text } from './language.js';

/** What the server says of its configuration; the usual one where it cannot be read. */
export async function readSettings() {
  const [settings, health] = await Promise.all([readJson('/settings'), readJson('/health')]);
  return {
    known: settings !== null,
    tokenMode: 'refresh',
    tokenTransport: 'bearer',
    policy: 'single',
    ...settings,
    health,
  };
}

/** Shows the settings, and what is to be expected of the policy. @param {Awaited<ReturnType<typeof readSettings>>} settings */
export function showSettings(settings) {
  const show = () => {
    const list = slot(document, 'settings');
    if (!settings.known) return showNotice(list, text('setting.unreadable'));
    const { policy, overflow, tokenMode, tokenTransport, accessTtl, refreshTtl, database, redis, idleTimeout, health } =
      settings;
    const [kind, detail] = policy.split(':');
    const none = text('setting.none');
    const redisState = redis ? (health?.redis === 'up' ? 'up' : text('setting.down')) : none;
    fillFacts(list, [
      [
        text('setting.policy'),
        [text(`policy.${kind}`), [detail, overflow].filter(Boolean).join(', ')].filter(Boolean).join(': '),
      ],
      [text('setting.tokens'), text(`tokens.${tokenMode}`, { access: accessTtl, refresh: refreshTtl ?? '' })],
      [text('setting.transport'), text(`transport.${tokenTransport}`)],
      [text('setting.database'), database],
      [text('setting.redis'), redisState],
      [text('setting.cache'), health?.nearCache ?? null],
      [text('setting.idle'), idleTimeout ?? none],
    ]);
    const isLimited = kind === 'multi' && detail !== undefined;
    const hint = isLimited
      ? text('hint.limited', { max: detail, overflow })
      : text(`hint.${kind}`, { max: detail ?? '' });
    slot(document, 'policy-hint').textContent = tokenTransport === 'bearer' ? hint : `${text('hint.cookies')} ${hint}`;
  };
  onLanguage(show);
  show();
}

/** The JSON of an answer; null where there is none. A health that is bad is one as well. */
async function readJson(path) {
  try {
    return await (await fetch(path)).json();
  } catch {
    return null;
  }
}
