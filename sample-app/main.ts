import 'reflect-metadata';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jwtKeys } from './config/jwt-key.js';
import { readConfig } from './config/read-config.js';
import { sessionSecrets } from './config/session-secret.js';
import { stopOnSignals } from './http/graceful-stop.js';
import { originOf } from './http/origin.js';
import { startProblem } from './start-problem.js';

try {
  const config = readConfig(process.env);
  const keys = { secrets: await sessionSecrets(config), jwtKeys: await jwtKeys(config) };
  // Nest takes seconds to load: a wrong variable is told before.
  const { createApplication } = await import('./http/create-application.js');
  const { AppModule } = await import('./app.module.js');
  const app = await createApplication(AppModule.with(config, keys), config);
  await app.listen(config.port, config.host);
  stopOnSignals(app);
  const server = app.getHttpServer() as Server;
  console.log(`listening on ${originOf(server.address() as AddressInfo)}`);
} catch (error) {
  console.error(startProblem(error));
  process.exit(1);
}
