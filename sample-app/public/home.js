import { DevicePanel } from './device-panel.js';
import { startLanguage } from './language.js';
import { RequestLog } from './request-log.js';
import { readSettings, showSettings } from './settings.js';

startLanguage();
const settings = await readSettings();
showSettings(settings);
const log = new RequestLog(document);
const cookies = settings.tokenTransport !== 'bearer';
const [first, ...others] = document.querySelectorAll('[data-device]');
const options = { log, refreshes: settings.tokenMode !== 'sliding', cookies };
new DevicePanel(first, options);
for (const root of others) {
  if (cookies) root.hidden = true;
  else new DevicePanel(root, options);
}
