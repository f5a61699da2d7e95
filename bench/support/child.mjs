import { fork } from 'node:child_process';
import { once } from 'node:events';

/**
 * Starts a script of bench/support as a process of its own that answers calls; the script calls `serveParent`.
 *
 * @param {string} script
 * @param {object} settings what the script is told, as JSON
 */
export async function startChild(script, settings) {
  const child = fork(new URL(script, import.meta.url), [JSON.stringify(settings)]);
  const exited = once(child, 'exit');
  const waiting = new Map();
  let calls = 0;
  child.on('message', ({ call, value, error }) => {
    const { resolve, reject } = waiting.get(call) ?? {};
    waiting.delete(call);
    if (error === undefined) resolve?.(value);
    else reject?.(new Error(`${script}: ${error}`));
  });
  void exited.then(([code, signal]) => {
    for (const { reject } of waiting.values()) reject(new Error(`${script} ended with ${signal ?? code}.`));
    waiting.clear();
  });
  const answer = (call) => new Promise((resolve, reject) => waiting.set(call, { resolve, reject }));
  return {
    /** What the script has said it is ready with. */
    ready: await answer('ready'),
    call(name, ...args) {
      const call = ++calls;
      const answered = answer(call);
      if (child.connected) child.send({ call, name, args });
      else waiting.get(call).reject(new Error(`${script} is gone.`));
      return answered;
    },
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

/** In the script: the settings that it was started with. */
export const settings = () => JSON.parse(process.argv[2]);

/**
 * In the script: says that it is ready, and answers the parent's calls until it is gone.
 *
 * @param {unknown} ready
 * @param {Record<string, (...args: any[]) => unknown>} handlers by name
 * @param {() => Promise<unknown>} close
 */
export function serveParent(ready, handlers, close) {
  process.on('message', async ({ call, name, args }) => {
    try {
      process.send({ call, value: await handlers[name](...args) });
    } catch (error) {
      process.send({ call, error: String(error.stack) });
    }
  });
  process.once('disconnect', () => void close());
  process.send({ call: 'ready', value: ready });
}
