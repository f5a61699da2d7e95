import type { Server } from 'node:http';
import type { INestApplication } from '@nestjs/common';

const IDLE_CHECK_MS = 50;
const PATIENCE_MS = 10_000;
const REPEAT_MS = 1000;

/**
 * On SIGTERM or SIGINT: takes no new connections, answers the requests that are there, lets Nest's shutdown hooks write
 * what is pending, and exits with code 0. After ten seconds it waits for clients no longer.
 *
 * A second signal ends it at once, unless it comes within a second: Ctrl-C in a terminal reaches this process once
 * directly and once through each parent that passes it on, as npm does.
 */
export function stopOnSignals(app: INestApplication): void {
  let stoppingSince: number | undefined;
  const onSignal = () => {
    if (stoppingSince === undefined) {
      stoppingSince = performance.now();
      void stop(app);
    } else if (performance.now() - stoppingSince > REPEAT_MS) {
      console.error('Ended before everything was finished.');
      process.exit(1);
    }
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

async function stop(app: INestApplication): Promise<void> {
  const server = app.getHttpServer() as Server;
  // A connection that becomes idle later would be kept open for more requests.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const patience = setTimeout(() => server.closeAllConnections(), PATIENCE_MS);
  try {
    await app.close();
    process.exitCode = 0;
  } catch (error) {
    console.error('Stopping failed:', error);
    process.exitCode = 1;
  }
  clearInterval(idle);
  clearTimeout(patience);
  // Nothing is pending any more; whatever a driver left open must not keep the process.
  process.exit();
}
