import { below, oneOf, sometimes, weighted } from './chance.mjs';

const FIRST = (
  'olivia liam emma noah amelia oliver sofia mateo mia lucas aisha omar fatima yusuf priya arjun ananya rohan mei wei ' +
  'jing hao xin lei yuki haruto sakura ren minjun seoyeon anna jan elena marco ines hugo freya lars zuri kwame'
).split(' ');
const LAST = (
  'smith jones garcia martin silva santos rossi bianchi mueller schmidt novak kowalski nielsen hansen virtanen ivanova ' +
  'petrov haddad khan ahmed patel sharma singh iyer zhang wang li chen liu yang huang zhao tanaka suzuki sato ito kim ' +
  'park lee nguyen tran okafor mensah diallo ndlovu lopez moreau dubois jansen brown'
).split(' ');

/** The name of a user, which is also the user id of the sample application; the same in every run. @param {number} index */
export function usernameOf(index) {
  const round = Math.floor(index / (FIRST.length * LAST.length));
  const name = `${FIRST[index % FIRST.length]}.${LAST[(index + Math.floor(index / FIRST.length)) % LAST.length]}`;
  return round === 0 ? name : `${name}${round + 1}`;
}

const CHROME = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0';
const SAFARI = 'AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6';
const MODELS = {
  phone: [
    ['iPhone 16', `Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) ${SAFARI} Mobile/15E148 Safari/604.1`],
    ['Galaxy S25', `Mozilla/5.0 (Linux; Android 15; SM-S931B) ${CHROME} Mobile Safari/537.36`],
    ['Pixel 9', `Mozilla/5.0 (Linux; Android 16; Pixel 9) ${CHROME} Mobile Safari/537.36`],
    ['Xiaomi 15', `Mozilla/5.0 (Linux; Android 15; 24129PN74G) ${CHROME} Mobile Safari/537.36`],
  ],
  tablet: [
    ['iPad Air', `Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) ${SAFARI} Mobile/15E148 Safari/604.1`],
    ['Galaxy Tab S10', `Mozilla/5.0 (Linux; Android 15; SM-X820) ${CHROME} Safari/537.36`],
  ],
  laptop: [
    ['MacBook Air', `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${SAFARI} Safari/605.1.15`],
    ['ThinkPad X1', `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${CHROME} Safari/537.36`],
  ],
  desktop: [
    ['Windows PC', `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${CHROME} Safari/537.36 Edg/141.0.0.0`],
    ['Linux PC', 'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0'],
  ],
  tv: [['Living room TV', `Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0) ${CHROME} TV Safari/537.36`]],
};
const TYPES = { phone: 55, laptop: 22, desktop: 13, tablet: 8, tv: 2 };
const METHODS = { password: 64, passkey: 14, sms: 12, wechat: 7, sso: 3 };

/** A device of a user. @param {string} username */
export function deviceOf(username) {
  const deviceType = weighted(TYPES);
  const [model, userAgent] = oneOf(MODELS[deviceType]);
  const first = username.slice(0, username.indexOf('.'));
  const owner = first[0].toUpperCase() + first.slice(1);
  const deviceName = sometimes(0.1) ? null : sometimes(0.4) ? `${owner}'s ${model}` : model;
  return { deviceType, deviceName, userAgent, loginMethod: weighted(METHODS) };
}

/**
 * An address of those that nobody has (RFC 5737, 6598, 1918 and 3849). A user is mostly at home, which is always the same.
 * @param {number} index of the user
 */
export function addressOf(index) {
  if (sometimes(0.6)) return homeOf(index);
  if (sometimes(0.3)) return `203.0.113.${1 + below(20)}`;
  return `100.${64 + below(64)}.${below(256)}.${1 + below(254)}`;
}

function homeOf(index) {
  const high = (index >>> 8) & 0xff;
  const low = index & 0xff;
  if (index % 5 === 0) return `2001:db8:${(index >>> 16).toString(16)}:${(index & 0xffff).toString(16)}::1`;
  if (index % 17 === 0) return `198.51.100.${low}`;
  return `10.${(index >>> 16) & 0xff}.${high}.${low}`;
}
