import { beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { copyFileSync, cpSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
const application = path.join(root, 'test/nest-11');
const installed = path.join(application, 'node_modules/nestjs-latchkey');
/** The newest compiler. */
const TSC = path.join(root, 'node_modules/typescript-7/bin/tsc');
/** Checks, by the last compiler that finds modules as Node 10 did, the files of its arguments and all types of the library. */
const CHECK_OURS = `
  const ts = require(${JSON.stringify(path.join(root, 'node_modules/typescript'))});
  const { options, fileNames, errors } = ts.parseCommandLine(process.argv.slice(1));
  const program = ts.createProgram(fileNames, options);
  const ours = program.getSourceFiles().filter(({ fileName }) => /^(?!.*node_modules)|nestjs-latchkey[/]dist/.test(fileName));
  if (ours.length < 20) throw new Error('The types of the library were not found.');
  const problems = ours.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]);
  const all = [...errors, ...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics(), ...problems];
  process.stdout.write(ts.formatDiagnostics(all, ts.createCompilerHost(options)));`;

/** Runs Node in the application, and returns all that it prints. */
async function node(...args: string[]): Promise<string> {
  const output = (result: { stdout: string; stderr: string }) => result.stdout + result.stderr;
  return run(process.execPath, args, { cwd: application }).then(output, output);
}

describe('an application on Nest 11', () => {
  // As it was built, in a folder from which it finds Nest 11.
  beforeAll(() => {
    rmSync(installed, { recursive: true, force: true });
    for (const part of ['package.json', 'dist']) {
      cpSync(path.join(root, part), path.join(installed, part), { recursive: true });
    }
  });

  const options = '--noEmit --strict --target es2022 --lib es2023 --types node';
  const decorators = '--experimentalDecorators --emitDecoratorMetadata --esModuleInterop';

  it.each([
    ['nodenext', [TSC, '--ignoreConfig'], '--module nodenext'],
    ['bundler', [TSC, '--ignoreConfig'], '--module esnext'],
    ['node', ['-e', CHECK_OURS, '--'], '--module commonjs --ignoreDeprecations 6.0'],
  ])('compiles with every type checked, and modules found as by %s', async (resolution, compiler, more) => {
    const text = `${options} ${decorators} ${more} --skipLibCheck false --moduleResolution ${resolution} consumer.ts`;
    expect(await node(...compiler, ...text.split(' '))).toBe('');
  });

  it('has the claims that it declares everywhere, and no others, in an ES module and in CommonJS', async () => {
    const copy = path.join(application, 'typed-claims.cts');
    copyFileSync(path.join(application, 'typed-claims.mts'), copy);
    const text = `${options} ${decorators} --module nodenext --skipLibCheck typed-claims.mts typed-claims.cts`;
    const said = await node(TSC, '--ignoreConfig', ...text.split(' '));
    rmSync(copy);
    expect(said).toBe('');
  });

  it('declares them as docs/calls.md says', () => {
    const page = readFileSync(path.join(root, 'docs/calls.md'), 'utf8');
    const [, example] = /```typescript\n([\s\S]*?)```/.exec(page)!;
    expect(readFileSync(path.join(application, 'typed-claims.mts'), 'utf8')).toContain(example);
  });

  it('is told which module was forgotten', async () => {
    const script = `
      require('reflect-metadata');
      const { Controller, Module, UseGuards } = require('@nestjs/common');
      const { NestFactory, VERSION } = require('@nestjs/core');
      const { AuthGuard } = require('nestjs-latchkey');
      const messageWith = (guard) => {
        class Guarded {}
        Controller()(Guarded);
        UseGuards(guard)(Guarded);
        class AppModule {}
        Module({ controllers: [Guarded] })(AppModule);
        return NestFactory.create(AppModule, { logger: false, abortOnError: false })
          .then((app) => app.init())
          .catch((error) => error.message);
      };
      class BannedGuard extends AuthGuard {}
      Promise.all([AuthGuard, BannedGuard].map(messageWith)).then((messages) =>
        console.log(JSON.stringify([require('@nestjs/core/package.json').version, ...messages])));`;
    const [version, ...messages] = JSON.parse(await node('-e', script)) as string[];
    expect(version).toMatch(/^11\./);
    const message = expect.stringContaining(
      'If Symbol(SessionModule.forRoot({ isGlobal: true }) of nestjs-latchkey) is a provider, is it part of the current AppModule?',
    );
    expect(messages).toEqual([message, message]);
  });
});
