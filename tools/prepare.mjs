import { lstatSync, symlinkSync } from 'node:fs';
import { install } from './lib/ensure-installed.mjs';
import { withLock } from './lib/lock.mjs';
import { runNode } from './lib/run.mjs';
import { EXAMPLES, LIBRARY, SAMPLE, isOutdated } from './lib/up-to-date.mjs';

const BUILDS = { install: [], example: [LIBRARY], library: [LIBRARY], build: [LIBRARY, SAMPLE] };
const WITH_EXAMPLES = ['install', 'example'];

/**
 * Installs and builds what is missing or out of date, for one process at a time: a second one waits, and finds it done. The argument
 * names what is built; `install` and `example` have the packages of the examples as well.
 * Leads a process group, with npm and the compilers in it, which ends when the parent does: what goes on behind the back of the next
 * start would undo what that does.
 */
const endAll = () => process.kill(process.platform === 'win32' ? process.pid : -process.pid, 'SIGKILL');
if (process.connected) process.on('disconnect', endAll);
else endAll();

try {
  await withLock('.preparing', prepare, (group) =>
    console.error(`Waiting for another start to install or build (process group ${group}).`),
  );
  process.exit(0);
} catch (error) {
  console.error(`This folder cannot be used: ${error.message}. Installing and building must be able to write to it.`);
  process.exit(1);
}

async function prepare() {
  await install();
  const what = process.argv[2];
  if (WITH_EXAMPLES.includes(what)) {
    await install(EXAMPLES);
    linkLibrary();
  }
  for (const build of BUILDS[what]) {
    if (isOutdated(build)) await runNode(build.script, [], { stdio: ['ignore', 2, 2] });
  }
}

/** Lets the examples import the library by its name, as it is built here. */
function linkLibrary() {
  const link = `${EXAMPLES}/node_modules/nestjs-latchkey`;
  if (!lstatSync(link, { throwIfNoEntry: false })) symlinkSync('../..', link, 'junction');
}
