import { readFileSync, readlinkSync } from 'node:fs';

/**
 * Which process of which host this is: boot id, process namespace, process id and start time. Null where the platform
 * does not tell (anything but Linux). A node that restarts after a crash can so tell that the row of its predecessor
 * belongs to nobody, instead of waiting until it has been silent for long enough.
 */
export function processIdentity(): string | null {
  try {
    const startTime = startTimeOf(process.pid);
    return startTime && [host(), process.pid, startTime].join(' ');
  } catch {
    return null;
  }
}

/** Whether the identity is one of this host whose process is gone for certain. */
export function isGone(identity: string | null): boolean {
  if (identity === null) return false;
  const [boot, namespace, pid, startTime] = identity.split(' ');
  try {
    if (`${boot} ${namespace}` !== host()) return false;
    return !exists(Number(pid)) || ![null, startTime].includes(startTimeOf(Number(pid)));
  } catch {
    return false;
  }
}

/** Asked of the kernel itself: /proc may hide the processes of other users. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function host(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
}

/** Field 22 of proc(5) stat; '' for a process that has ended and is not collected yet, null where it cannot be read. */
function startTimeOf(pid: number): string | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? '' : (fields[19] ?? null);
}
