import { element } from './dom.js';
import { typeText } from './end-words.js';
import { text, timeText } from './language.js';

/**
 * The items of GET /sessions as a list, the current one first.
 * @param {HTMLElement} list @param {object[]} items @param {(item: object) => void} onEnd
 */
export function showSessions(list, items, onEnd) {
  const focused = document.activeElement?.dataset?.session;
  const sorted = [...items].sort((a, b) => Number(b.current) - Number(a.current) || byUse(b) - byUse(a));
  list.replaceChildren(...sorted.map((item) => toRow(item, onEnd)));
  if (focused) list.querySelector(`[data-session="${CSS.escape(focused)}"]`)?.focus();
}

function toRow(item, onEnd) {
  const { sessionId, current, impersonated, deviceType, deviceName, ip, userAgent, createdAt, lastSeenAt } = item;
  const name = impersonated ? text('devices.support') : (deviceName ?? text('devices.unnamed'));
  // Not as a name: a device may be called anything, these words too.
  const shown = impersonated ? element('span', { class: 'chip support' }, name) : element('b', {}, name);
  const title = element('p', { class: 'title' }, shown);
  if (deviceType) title.append(' ', element('span', { class: 'chip' }, typeText(deviceType)));
  if (current) title.append(' ', element('span', { class: 'chip current' }, text('devices.current')));
  const times = [
    text('devices.since', { time: timeText(createdAt) }),
    text('devices.seen', { time: timeText(lastSeenAt) }),
    ip,
  ];
  const about = element(
    'div',
    {},
    title,
    element('p', { class: 'muted' }, times.filter((part) => part).join(' · ')),
    ...(userAgent ? [element('p', { class: 'muted agent', title: userAgent }, userAgent)] : []),
  );
  const row = element('li', { class: current ? 'card current' : 'card' }, about);
  if (!current) {
    const label = text('devices.endOf', { device: name });
    const button = element('button', { type: 'button', 'aria-label': label, 'data-session': sessionId });
    button.append(text('action.end'));
    button.addEventListener('click', () => {
      button.disabled = true;
      onEnd(item);
    });
    row.append(button);
  }
  return row;
}

function byUse({ lastSeenAt }) {
  return Date.parse(lastSeenAt);
}
