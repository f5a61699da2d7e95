import { installLine, linesOf, quickStart, quickStartController } from '../tools/lib/matrix-application.mjs';
import { startRegistry } from '../tools/lib/matrix-registry.mjs';

/** Makes what the Nest CLI makes. */
export const nestNew = (app, major, options = '--package-manager npm') =>
  app.sh(`npx --yes @nestjs/cli@${major} new ${app.name} --skip-git ${options}`, { cwd: app.home });

/** The same with the install line and the quick start of the README, word for word. */
const newNest = (major) => async (app) => {
  await nestNew(app, major);
  await app.sh(installLine(`# NestJS ${major}`));
  app.write('src/main.ts', quickStart);
  app.copy('matrix/orders.spec.ts', 'src/orders.spec.ts');
};
export const nest12 = (app) => app.from('base-12', newNest(12));
export const nest11 = (app) => app.from('base-11', newNest(11));

/** Names the versions that were installed. */
export async function versions(app, ...names) {
  const found = JSON.parse(await app.sh('npm ls --json --depth=0 || true'));
  return `passes with ${names.map((name) => `${name} ${found.dependencies[name].version}`).join(', ')}`;
}

/** Adds the library by its name, as it is once it is published, and the controller of the quick start. */
export async function nestAdd(app, major) {
  await nestNew(app, major);
  const registry = await startRegistry(app.tarball, { cwd: app.folder, env: app.env });
  try {
    await app.sh('npx nest add nestjs-latchkey', { env: { npm_config_registry: registry.url } });
  } finally {
    registry.stop();
  }
  app.write('src/app.controller.ts', quickStartController());
  await app.serves();
  return versions(app, '@nestjs/core', '@nestjs/passport', 'typeorm');
}

/** Begins as docs/peers.md says, without the Nest CLI. @param add how it installs a package */
export async function fromEmptyFolder(app, add) {
  app.write('tsconfig.json', linesOf('docs/peers.md', '"compilerOptions"'));
  app.write('src/main.ts', quickStart);
  const lines = [...linesOf('docs/peers.md', 'npm init').trim().split('\n'), installLine('# NestJS 12')];
  for (const line of lines) await app.sh(line.replace('npm install', add).replace(`${add} --save-dev`, `${add} --dev`));
  await app.serves();
}
