import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { runNode } from './lib/run.mjs';
import { serve } from './lib/serve.mjs';
import { prepareExample } from './lib/up-to-date.mjs';

/** Installs and builds what is missing or out of date, then runs the example that is named first. */
process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const names = readdirSync('examples').filter((name) => existsSync(`examples/${name}/main.ts`));
const [name] = process.argv.slice(2);
if (!names.includes(name)) {
  const problem = name === undefined ? 'Name an example' : `There is no example ${name}`;
  fail(`${problem}: npm run example -- NAME, where NAME is one of ${names.join(', ')}.`);
}

await serve(async () => {
  await checkPorts();
  await prepareExample();
  await runNode('node_modules/typescript-7/bin/tsc', ['-p', 'examples']);
  await checkPorts();
  return `examples/dist/${name}/main.js`;
});

/** Exits where the example could not listen. */
async function checkPorts() {
  await checkPort('PORT', 3000);
  if (name === 'microservice') await checkPort('TCP_PORT', 3001);
}

function checkPort(variable, standard) {
  const port = Number(process.env[variable] ?? standard);
  if (!(port >= 0 && port < 65_536))
    fail(`${variable} must be a port, from 0 to 65535, but is ${process.env[variable]}.`);
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', ({ code }) => {
      const problem = code === 'EADDRINUSE' ? 'is in use' : `cannot be used (${code})`;
      fail(
        `Port ${port} ${problem}. Stop what listens there, or choose another: ${variable}=${port + 10} npm run example -- ${name}`,
      );
    });
    server.listen(port, '127.0.0.1', () => server.close(resolve));
  });
}

function fail(problem) {
  console.error(problem);
  process.exit(1);
}
