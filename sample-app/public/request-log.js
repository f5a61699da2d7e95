import { element, slot } from './dom.js';
import { text } from './language.js';
import { readableJson, shortToken } from './shortened.js';

const MOST_ENTRIES = 200;
/** Headers of an answer that say something about the session. */
const TOLD_HEADERS = ['WWW-Authenticate', 'X-Renewed-Token', 'X-Renewed-Token-Expires-In', 'Retry-After'];

/** What the devices ask the server, and what it answers; the latest is at the top. */
export class RequestLog {
  #list;
  #empty;

  /** @param {ParentNode} root */
  constructor(root) {
    this.#list = slot(root, 'log');
    this.#empty = slot(root, 'log-empty');
    slot(root, 'clear-log').addEventListener('click', () => {
      this.#list.replaceChildren();
      this.#empty.hidden = false;
    });
  }

  /** A fetch that writes down what it does. @param {() => string} device who asks @returns {typeof fetch} */
  fetchOf(device) {
    return async (input, init) => {
      const request = new Request(input, init);
      const asked = await request.clone().text();
      const answered = await fetch(request).catch((error) => ({ error }));
      const isPlain = !('error' in answered) && !isStream(answered);
      const body = isPlain ? await answered.clone().text() : '';
      this.#add({ device: device(), request, asked, answered, body });
      if ('error' in answered) throw answered.error;
      return answered;
    };
  }

  /** Writes down what a stream told. @param {string} device @param {string} event @param {object} data */
  addEvent(device, event, data) {
    const detail = element('pre', {}, JSON.stringify(data, null, 2));
    this.#put(device, 'event', [text('log.event', { event }), data.errorCode], [detail]);
  }

  #add({ device, request, asked, answered, body }) {
    const path = new URL(request.url).pathname;
    const { status } = answered;
    const result = status === undefined ? text('log.none') : isStream(answered) ? `${status}` : String(status);
    const code = isStream(answered) ? text('log.stream') : errorCodeOf(body);
    const kind = status === undefined || status >= 500 ? 'broken' : status >= 400 ? 'refused' : 'fine';
    const details = [
      element('p', {}, text('log.request')),
      element('pre', {}, [`${request.method} ${path}`, ...requestHeaders(request), '', readableJson(asked)].join('\n')),
      element('p', {}, text('log.answer')),
      element('pre', {}, [result, ...answerHeaders(answered), '', readableJson(body)].join('\n')),
    ];
    this.#put(device, kind, [`${request.method} ${path}`, result, code], details);
  }

  #put(device, kind, parts, details) {
    const words = parts.filter((part) => part).map((part) => element('span', {}, part));
    const time = new Date().toLocaleTimeString(document.documentElement.lang);
    const summary = element('summary', {}, element('b', {}, device), ...words, element('time', {}, time));
    const entry = element('li', { class: kind }, element('details', {}, summary, ...details));
    this.#list.prepend(entry);
    this.#empty.hidden = true;
    while (this.#list.children.length > MOST_ENTRIES) this.#list.lastChild.remove();
  }
}

function isStream({ headers }) {
  return (headers?.get('content-type') ?? '').startsWith('text/event-stream');
}

function errorCodeOf(body) {
  try {
    return JSON.parse(body).errorCode ?? '';
  } catch {
    return '';
  }
}

function requestHeaders({ headers }) {
  const authorization = headers.get('authorization');
  return authorization === null ? [] : [`Authorization: Bearer ${shortToken(authorization.slice('Bearer '.length))}`];
}

function answerHeaders({ headers }) {
  return TOLD_HEADERS.filter((name) => headers?.has(name)).map((name) => {
    const value = headers.get(name);
    return `${name}: ${name === 'X-Renewed-Token' ? shortToken(value) : value}`;
  });
}
