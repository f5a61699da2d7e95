import { DeviceSession } from './device-session.js';
import { showNotice, slot } from './dom.js';
import { endWords, errorWords } from './end-words.js';
import { onLanguage, startLanguage, text } from './language.js';
import { showSessions } from './session-list.js';
import { readSettings } from './settings.js';

const LOOK_EVERY_MS = 5000;

startLanguage();
const { tokenMode, tokenTransport } = await readSettings();
const notice = slot(document, 'notice');
const form = slot(document, 'login');
let items = [];
let problem = null;
let shownState = null;

const session = new DeviceSession('latchkey-sample-devices', {
  refreshes: tokenMode !== 'sliding',
  cookies: tokenTransport !== 'bearer',
  onChange: () => show(),
});

/** @param {boolean} isUse whether somebody asked for it: a page that looks by itself does not keep a session from idling */
async function load(isUse) {
  const headers = isUse ? {} : { 'X-No-Activity': '1' };
  const response = await session.client.fetch('/sessions', { headers });
  if (response.ok) {
    ({ items } = await response.json());
    show();
  }
  return response;
}

/** Says what went wrong, where something did. A session that has ended says so itself. */
async function attempt(action, isLogin = false) {
  problem = null;
  try {
    const response = await action();
    if (!response.ok && (isLogin || session.state !== 'ended')) problem = await errorWords(response);
  } catch {
    problem = text('failed.network');
  }
  show();
}

/** Ends something, and shows what is left. A session that was gone already is as good as ended. */
function end(action) {
  return attempt(async () => {
    const response = await action();
    await load(true);
    return response.status === 404 ? new Response() : response;
  });
}

function show() {
  const { state, me, isLive } = session;
  const isIn = state === 'in';
  form.hidden = isIn;
  slot(document, 'session').hidden = !isIn;
  showNotice(notice, problem ?? (state === 'ended' ? endWords(session.end) : null));
  if (isIn && shownState !== 'in') void attempt(() => load(false));
  shownState = state;
  if (!isIn) {
    items = [];
    return;
  }
  slot(document, 'who').textContent = text('devices.who', { user: me.username ?? '' });
  const label = slot(document, 'state');
  label.className = `state ${isLive ? 'live' : 'waiting'}`;
  label.textContent = text(isLive ? 'state.live' : 'state.waiting');
  showSessions(slot(document, 'list'), items, (item) => {
    void end(() => session.client.fetch(`/sessions/${encodeURIComponent(item.sessionId)}`, { method: 'DELETE' }));
  });
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const deviceName = text('devices.name', { page: text('nav.devices') });
  const credentials = { ...Object.fromEntries(new FormData(form)), deviceType: 'web', deviceName };
  void attempt(async () => {
    const response = await session.logIn(credentials);
    if (response.ok) form.reset();
    return response;
  }, true);
});
const actions = {
  reload: () => attempt(() => load(true)),
  'logout-others': () => end(() => session.logOutOthers()),
  logout: () => attempt(() => session.logOut()),
};
for (const button of document.querySelectorAll('[data-action]')) {
  button.addEventListener('click', () => void actions[button.dataset.action]());
}
setInterval(() => {
  if (session.state === 'in' && document.visibilityState === 'visible') void load(false).catch(() => undefined);
}, LOOK_EVERY_MS);
onLanguage(show);
show();
