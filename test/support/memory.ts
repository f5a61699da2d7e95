import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Collects what nothing holds any more. */
export const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes of the heap that something holds: other suites of this process leave garbage behind. */
export function heapInUse(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
