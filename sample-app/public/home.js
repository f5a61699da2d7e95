import { DevicePanel } from './device-panel.js';
import { startLanguage } from './language.js';
import { RequestLog } from './request-log.js';
import { readSettings, showSettings } from './settings.js';

startLanguage();
const settings = await readSettings();
showSettings(settings);
const log = new RequestLog(document);
for (const root of document.querySelectorAll('[data-device]')) {
  new DevicePanel(root, { log, refreshes: settings.tokenMode !== 'sliding' });
}
