import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FAMILIES = {
  'sans-serif': ['Liberation Sans', 'DejaVu Sans', 'WenQuanYi Micro Hei'],
  sans: ['Liberation Sans', 'DejaVu Sans', 'WenQuanYi Micro Hei'], // what Chromium asks for as system-ui
  serif: ['Liberation Serif', 'DejaVu Serif', 'WenQuanYi Micro Hei'],
  monospace: ['Liberation Mono', 'DejaVu Sans Mono', 'WenQuanYi Micro Hei Mono'],
};

/**
 * Writes settings for fontconfig that know the fonts of an unpacked copy and no others.
 *
 * @param {string} root the copy
 * @returns {string} the file, for FONTCONFIG_FILE
 */
export function fontConfig(root) {
  const file = join(root, 'fonts.conf');
  if (existsSync(file)) return file;
  const aliases = Object.entries(FAMILIES).map(([name, families]) => {
    const prefer = families.map((family) => `<family>${family}</family>`).join('');
    return `  <alias binding="same"><family>${name}</family><prefer>${prefer}</prefer></alias>`;
  });
  const lines = [
    '<?xml version="1.0"?>',
    '<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">',
    '<fontconfig>',
    `  <dir>${escapeXml(join(root, 'usr/share/fonts'))}</dir>`,
    '  <cachedir prefix="xdg">fontconfig</cachedir>',
    ...aliases,
    '</fontconfig>',
  ];
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${lines.join('\n')}\n`);
  renameSync(draft, file); // whole for whoever starts at the same time
  return file;
}

/** @param {string} text */
const escapeXml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
