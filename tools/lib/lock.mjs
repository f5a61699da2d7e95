import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 100;

/**
 * Runs work while no other process group does so with the same file. The caller must lead a process group: the file is that group's
 * until the last process in it is gone, whatever became of the caller.
 * @param onWait called once with the process group that is waited for
 */
export async function withLock(file, work, onWait) {
  for (let waited = false; !take(file); waited = true) {
    const holder = holderOf(file);
    if (holder !== undefined) {
      if (!waited) onWait(holder);
      await pause(POLL_MS);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function take(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** The process group that holds the lock. Removes a lock that its group has left behind. */
function holderOf(file) {
  try {
    const text = readFileSync(file, 'utf8');
    const { mtimeMs } = statSync(file);
    const now = Date.now();
    const isHeld = text === '' ? mtimeMs > now - 1000 : mtimeMs > now - uptime() * 1000 && isRunning(Number(text));
    if (isHeld) return text;
    const found = `${file}.${process.pid}`;
    renameSync(file, found);
    // Another process may have removed it, and taken the lock, in the meantime.
    if (readFileSync(found, 'utf8') === text) rmSync(found);
    else renameSync(found, file);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  return undefined;
}

function isRunning(group) {
  try {
    // Windows has no process groups.
    process.kill(process.platform === 'win32' ? group : -group, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
