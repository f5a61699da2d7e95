import { DeviceSession } from './device-session.js';
import { element, fillFacts, showNotice, slot } from './dom.js';
import { endWords, errorWords, typeText } from './end-words.js';
import { onLanguage, text, timeText, translate } from './language.js';
import { shortToken } from './shortened.js';

/** One of the two devices of the front page. */
export class DevicePanel {
  #root;
  #type;
  #session;
  #problem = null;
  /** Sessions that the user may sign out to make room, where the limit is reached. */
  #choice = null;

  /** @param {HTMLElement} root @param {{ log: import('./request-log.js').RequestLog, refreshes: boolean, cookies: boolean }} options */
  constructor(root, { log, refreshes, cookies }) {
    this.#root = root;
    this.#type = root.dataset.device;
    root.append(document.querySelector('#device').content.cloneNode(true));
    slot(root, 'title').id = `${this.#type}-title`;
    const { username, password, deviceType, deviceName } = slot(root, 'login').elements;
    const usual = () => (password.value = `${username.value}-password`);
    username.addEventListener('change', usual);
    usual();
    deviceType.value = this.#type;
    deviceName.value = text(`name.${this.#type}`);
    const name = () => text(`device.${this.#type}`);
    this.#session = new DeviceSession(`latchkey-sample-${this.#type}`, {
      fetch: log.fetchOf(name),
      refreshes,
      cookies,
      onChange: () => this.#show(),
      onEvent: (end) => log.addEvent(name(), 'end', end),
    });
    this.#listen(refreshes);
    onLanguage(() => {
      translate(this.#root);
      this.#show();
    });
    translate(root);
    this.#show();
  }

  #listen(refreshes) {
    const form = slot(this.#root, 'login');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const credentials = Object.fromEntries(new FormData(form));
      if (credentials.deviceName.trim() === '') delete credentials.deviceName;
      void this.#do(form.querySelector('[type=submit]'), () => this.#logIn(credentials), true);
    });
    const choices = slot(this.#root, 'choice');
    choices.addEventListener('submit', (event) => {
      event.preventDefault();
      const { ticket, device } = this.#choice;
      const endSessions = new FormData(choices).getAll('session');
      const request = { ...device, ticket, endSessions };
      void this.#do(choices.querySelector('[type=submit]'), () => this.#logIn(request), true);
    });
    slot(this.#root, 'choice-back').addEventListener('click', () => {
      this.#choice = this.#problem = null;
      this.#show();
    });
    const actions = {
      me: () => this.#session.client.fetch('/me'),
      refresh: () => this.#session.refresh(),
      'logout-others': () => this.#session.logOutOthers(),
      logout: () => this.#session.logOut(),
    };
    for (const button of this.#root.querySelectorAll('[data-action]')) {
      button.addEventListener('click', () => void this.#do(button, actions[button.dataset.action]));
    }
    // Where the server renews the token by itself, there is nothing to ask for.
    this.#root.querySelector('[data-action=refresh]').hidden = !refreshes;
  }

  /** At the limit, the answer says what may be signed out. */
  async #logIn(request) {
    const response = await this.#session.logIn(request);
    const { deviceType, deviceName } = request;
    const { sessions, ticket } = response.status === 409 ? await response.clone().json() : {};
    this.#choice = ticket ? { sessions, ticket, device: { deviceType, ...(deviceName && { deviceName }) } } : null;
    return response;
  }

  /** Says what went wrong, where something did. A session that has ended says so itself. */
  async #do(button, action, isLogin = false) {
    button.disabled = true;
    this.#problem = null;
    try {
      const response = await action();
      if (!response.ok && (isLogin || this.#session.state !== 'ended')) this.#problem = await errorWords(response);
    } catch {
      this.#problem = text('failed.network');
    }
    button.disabled = false;
    this.#show();
  }

  #show() {
    const { state, me, end, isLive, client } = this.#session ?? { state: 'out' };
    slot(this.#root, 'title').textContent = text(`device.${this.#type}`);
    const label = slot(this.#root, 'state');
    const shown = state !== 'in' ? state : isLive ? 'live' : 'waiting';
    label.className = `state ${shown}`;
    label.textContent = text(`state.${shown}`);
    this.#root.classList.toggle('ended', state === 'ended');
    const notice = this.#problem ?? (state === 'ended' ? endWords(end) : null);
    showNotice(slot(this.#root, 'notice'), notice);
    const hadFocus = this.#root.contains(document.activeElement);
    this.#showChoice(state);
    slot(this.#root, 'login').hidden = state === 'in' || this.#choice !== null;
    slot(this.#root, 'session').hidden = state !== 'in';
    if (hadFocus && !this.#root.contains(document.activeElement)) this.#focus(state);
    if (state !== 'in') return;
    const { username = null, deviceType, deviceName, createdAt, expiresAt, sessionId } = me;
    fillFacts(slot(this.#root, 'facts'), [
      [text('fact.user'), username],
      [text('fact.device'), [deviceName, deviceType && typeText(deviceType)].filter(Boolean).join(', ') || null],
      [text('fact.since'), createdAt ? timeText(createdAt) : null],
      [text('fact.until'), expiresAt ? timeText(expiresAt) : null],
      [text('fact.session'), `${sessionId.slice(0, 8)}…`],
      [text('fact.token'), client.token ? shortToken(client.token) : text('fact.cookie')],
    ]);
  }

  #showChoice(state) {
    if (state === 'in') this.#choice = null;
    const form = slot(this.#root, 'choice');
    form.hidden = this.#choice === null;
    const rows = (this.#choice?.sessions ?? []).map(({ sessionId, deviceType, deviceName, lastSeenAt }, index) => {
      const input = element('input', { type: 'radio', name: 'session', value: sessionId, required: '' });
      // The one that was not used for the longest time.
      input.checked = index === this.#choice.sessions.length - 1;
      const name = [deviceName ?? text('devices.unnamed'), deviceType && typeText(deviceType)]
        .filter(Boolean)
        .join(', ');
      return element(
        'label',
        { class: 'choice' },
        input,
        ` ${name} · ${text('devices.seen', { time: timeText(lastSeenAt) })}`,
      );
    });
    slot(this.#root, 'choices').replaceChildren(...rows);
  }

  /** The button that had the focus is gone: on to what is there now. */
  #focus(state) {
    this.#root.querySelector(state === 'in' ? '[data-action]' : 'form:not([hidden]) [type=submit]').focus();
  }
}
