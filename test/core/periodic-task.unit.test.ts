import { describe, expect, it } from '@jest/globals';
import { PeriodicTask } from 'lib/periodic-task.js';
import { until } from '../support/until.js';

describe('PeriodicTask', () => {
  it('does not run twice at once when it is started again during a run', async () => {
    let runs = 0;
    let others = 0;
    let release = () => undefined as void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const run = (work: () => Promise<unknown>) => new PeriodicTask(work, 1, () => undefined);
    const task = run(() => (runs++, gate));
    const other = run(async () => others++);
    task.start();
    await until(() => runs === 1);
    void task.stop();
    task.start();
    other.start();
    await until(() => others > 5);
    expect(runs).toBe(1);
    release();
    await until(() => runs > 2);
    await Promise.all([task.stop(), other.stop()]);
  });
});
