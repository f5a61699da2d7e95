import { lstatSync, symlinkSync } from 'node:fs';
import { install } from './lib/ensure-installed.mjs';
import { withLock } from './lib/lock.mjs';
import { runNode } from './lib/run.mjs';
import { EXAMPLES, LIBRARY, SAMPLE, isOutdated } from './lib/up-to-date.mjs';

/**
 * Installs, with `install` for the examples too, and with `build` builds what is missing or out of date, for one process at a time: a second one waits, and finds it done.
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
  if (process.argv[2] === 'install') {
    await install(EXAMPLES);
    linkLibrary();
    return;
  }
  for (const build of [LIBRARY, SAMPLE]) {
    if (isOutdated(build)) await runNode(build.script, [], { stdio: ['ignore', 2, 2] });
  }
}

/** Lets the examples import the library by its name, as it is built here. */
function linkLibrary() {
  const link = `${EXAMPLES}/node_modules/nestjs-latchkey`;
  if (!lstatSync(link, { throwIfNoEntry: false })) symlinkSync('../..', link, 'junction');
}
