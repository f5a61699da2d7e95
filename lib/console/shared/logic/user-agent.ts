/** In the order in which they are looked for: those that claim to be another one come first. */
const PROGRAMS: readonly (readonly [RegExp, string])[] = [
  [/MicroMessenger\/(\d+)/, 'WeChat'],
  [/\bAlipayClient\/(\d+)/, 'Alipay'],
  [/\bEdg(?:A|iOS)?\/(\d+)/, 'Edge'],
  [/\b(?:OPR|Opera|OPT)\/(\d+)/, 'Opera'],
  [/SamsungBrowser\/(\d+)/, 'Samsung Internet'],
  [/\bVivaldi\/(\d+)/, 'Vivaldi'],
  [/\bYaBrowser\/(\d+)/, 'Yandex'],
  [/HuaweiBrowser\/(\d+)/, 'Huawei Browser'],
  [/MiuiBrowser\/(\d+)/, 'Mi Browser'],
  [/\bQQBrowser\/(\d+)/, 'QQ Browser'],
  [/\bUCBrowser\/(\d+)/, 'UC Browser'],
  [/\b(?:Firefox|FxiOS)\/(\d+)/, 'Firefox'],
  [/\bElectron\/(\d+)/, 'Electron'],
  [/HeadlessChrome\/(\d+)/, 'Headless Chrome'],
  [/\b(?:Chrome|CriOS)\/(\d+)/, 'Chrome'],
  [/\bVersion\/(\d+)[\d.]*(?: Mobile\/\w+)? Safari\//, 'Safari'],
  [/\b(?:MSIE |Trident\/.*rv:)(\d+)/, 'Internet Explorer'],
  [/\bokhttp\/(\d+)/, 'OkHttp'],
  [/\bDart\/(\d+)/, 'Dart'],
  [/\bPostmanRuntime\/(\d+)/, 'Postman'],
  [/\bcurl\/(\d+)/, 'curl'],
  [/\bWget\/(\d+)/, 'Wget'],
  [/\bpython-requests\/(\d+)/, 'Python Requests'],
  [/\bGo-http-client\/(\d+)/, 'Go'],
  [/\baxios\/(\d+)/, 'axios'],
  [/\bnode(?:-fetch)?\b(?:\/(\d+))?/i, 'Node.js'],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\bHarmonyOS|OpenHarmony/, 'HarmonyOS'],
  [/\bWindows Phone\b/, 'Windows Phone'],
  [/\bWindows\b/, 'Windows'],
  [/\biPad\b/, 'iPadOS'],
  [/\biPhone\b|\biPod\b|\bCFNetwork\b/, 'iOS'],
  [/\bAndroid\b/, 'Android'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bMac OS X\b|\bMacintosh\b/, 'macOS'],
  [/\bLinux\b|\bX11\b/, 'Linux'],
];

const LONGEST = 40;

/**
 * A short name of a user agent, "Chrome 140 · Windows". One that is not known gives its first product, "MyApp/3.1"; what a
 * client sends is any text, so the answer has at most 40 characters and no line ends. Empty or null: ''.
 */
export function shortUserAgent(userAgent: string | null): string {
  const text = (userAgent ?? '').slice(0, 1000).replace(/\s+/g, ' ').trim();
  if (text === '') return '';
  const program = PROGRAMS.map(([pattern, name]) => named(pattern.exec(text), name)).find(Boolean);
  const system = SYSTEMS.find(([pattern]) => pattern.test(text))?.[1];
  const first = program ?? text.replace(/^Mozilla\/[\d.]+ (?=\()/, '').split(' ')[0]!;
  const short = program === undefined && first.startsWith('(') ? (system ?? text) : join(first, system);
  return short.length <= LONGEST ? short : `${short.slice(0, LONGEST - 1)}…`;
}

const named = (match: RegExpExecArray | null, name: string): string | undefined =>
  match === null ? undefined : match[1] === undefined ? name : `${name} ${match[1]}`;

const join = (program: string, system: string | undefined): string =>
  system === undefined ? program : `${program} · ${system}`;
