import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { isGone, processIdentity } from 'lib/sql-node-registry.js';
import { until } from '../support/until.js';

describe('the identity of a process', () => {
  const own = processIdentity();
  // Where the platform does not tell, nobody is ever said to be gone.
  const [boot, namespace, pid, startTime] = (own ?? 'boot namespace 1 1').split(' ') as [
    string,
    string,
    string,
    string,
  ];
  const identity = (...parts: (string | number)[]) => parts.join(' ');

  it('is known on Linux, and not gone while the process is there', () => {
    expect(own === null).toBe(process.platform !== 'linux');
    expect(isGone(own)).toBe(false);
  });

  it('is not said to be gone where that cannot be known', () => {
    expect(isGone(null)).toBe(false);
    expect(isGone('')).toBe(false);
    expect(isGone('nonsense')).toBe(false);
    expect(isGone(identity('another-boot', namespace, 999_999, 1))).toBe(false);
    expect(isGone(identity(boot, 'pid:[1]', 999_999, 1))).toBe(false);
  });

  it('is gone when the process has ended, or another one has its number', async () => {
    if (own === null) return;
    expect(isGone(identity(boot, namespace, pid, Number(startTime) + 1))).toBe(true);
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()']);
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    const childIdentity = identity(boot, namespace, child.pid!, stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!);
    expect(isGone(childIdentity)).toBe(false);
    child.kill('SIGKILL');
    await until(() => isGone(childIdentity));
  });
});
