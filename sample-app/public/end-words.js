import { hasText, text, timeText } from './language.js';

/**
 * Why a session ended, in a sentence.
 * @param {{ errorCode: string, message?: string, endedAt?: string, replacedBy?: object | null }} end
 */
export function endWords({ errorCode, message, endedAt, replacedBy }) {
  const key = `end.${errorCode}`;
  if (!hasText(key)) return message ?? errorCode;
  return text(key, { time: endedAt ? timeText(endedAt) : text('end.now'), device: deviceWords(replacedBy ?? {}) });
}

function deviceWords({ deviceType, deviceName }) {
  if (!deviceType && !deviceName) return text('end.another');
  const type = typeText(deviceType ?? text('end.another'));
  return deviceName ? text('end.named', { type, name: deviceName }) : text('end.a', { type });
}

/** A type of device in the language of the page, or as it is. @param {string} type */
export function typeText(type) {
  return hasText(`type.${type}`) ? text(`type.${type}`) : type;
}

/** What an answer that is no success says. @param {Response} response */
export async function errorWords(response) {
  const body = await response.json().catch(() => null);
  const { message = response.statusText, errorCode = String(response.status) } = body ?? {};
  return text('failed.answer', { message: String(message), errorCode: String(errorCode) });
}
