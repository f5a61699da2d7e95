import { readFileSync } from 'node:fs';

/** One line about a version of Node.js that package.json excludes; undefined for one that it allows. */
export function nodeProblem(version = process.versions.node) {
  const range = JSON.parse(readFileSync('package.json', 'utf8')).engines.node;
  if (range.split('||').some((part) => allows(part.trim(), version))) return undefined;
  return `Node.js ${version} cannot run this: install a version that is ${range}, then start again.`;
}

/** @param part `^20.19.0` or `>=24` */
function allows(part, version) {
  const least = part.replace(/^\D+/, '').split('.').map(Number);
  const given = version.split('.').map(Number);
  if (part.startsWith('^') && given[0] !== least[0]) return false;
  const index = least.findIndex((number, at) => number !== given[at]);
  return index < 0 || given[index] > least[index];
}
