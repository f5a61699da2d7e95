import { beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
const application = path.join(root, 'test/nest-11');
const installed = path.join(application, 'node_modules/nestjs-latchkey');
/** The newest compiler, and the last one that finds modules as Node 10 did. */
const [newest, last] = ['typescript-7', 'typescript'].map((name) => path.join(root, 'node_modules', name, 'bin/tsc'));

/** Runs Node in the application, and returns all that it prints. */
async function node(...args: string[]): Promise<string> {
  const output = (result: { stdout: string; stderr: string }) => result.stdout + result.stderr;
  return run(process.execPath, args, { cwd: application }).then(output, output);
}

describe('an application on Nest 11', () => {
  beforeAll(async () => {
    rmSync(installed, { recursive: true, force: true });
    mkdirSync(installed, { recursive: true });
    copyFileSync(path.join(root, 'package.json'), path.join(installed, 'package.json'));
    const compile = async (format: string) => {
      const config = path.join(root, `tsconfig.${format}.json`);
      expect(await node(newest!, '-p', config, '--outDir', path.join(installed, 'dist', format))).toBe('');
    };
    await Promise.all(['esm', 'cjs'].map(compile));
    writeFileSync(path.join(installed, 'dist/cjs/package.json'), '{"type":"commonjs"}\n');
  });

  const options = '--ignoreConfig --noEmit --strict --skipLibCheck false --target es2022 --lib es2023 --types node';
  const decorators = '--experimentalDecorators --emitDecoratorMetadata --esModuleInterop';

  it.each([
    ['nodenext', 'nodenext', newest!, ''],
    ['bundler', 'esnext', newest!, ''],
    ['node', 'commonjs', last!, '--ignoreDeprecations 6.0'],
  ])('compiles with every type checked, and modules found as by %s', async (resolution, module, compiler, more) => {
    const text = `${options} ${decorators} ${more} --module ${module} --moduleResolution ${resolution} consumer.ts`;
    expect(await node(compiler, ...text.split(' ').filter(Boolean))).toBe('');
  });

  it.each(['mts', 'cts'])('has the claims that it declares everywhere, in a module %s, and no others', async (kind) => {
    const file = `typed-claims.${kind}`;
    if (kind === 'cts') copyFileSync(path.join(application, 'typed-claims.mts'), path.join(application, file));
    const text = `${options} ${decorators} --module nodenext --moduleResolution nodenext ${file}`;
    const said = await node(newest!, ...text.split(' '));
    if (kind === 'cts') rmSync(path.join(application, file));
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
      class Guarded {}
      Controller()(Guarded);
      class BannedGuard extends AuthGuard {}
      UseGuards(process.argv[1] === 'own' ? BannedGuard : AuthGuard)(Guarded);
      class AppModule {}
      Module({ controllers: [Guarded] })(AppModule);
      console.log(require('@nestjs/core/package.json').version);
      NestFactory.create(AppModule, { logger: false, abortOnError: false })
        .then((app) => app.init())
        .catch((error) => console.log(error.message));`;
    for (const guard of ['AuthGuard', 'own']) {
      const printed = await node('-e', script, guard);
      expect(printed).toMatch(/^11\./);
      expect(printed).toContain(
        'If Symbol(SessionModule.forRoot({ isGlobal: true }) of nestjs-latchkey) is a provider, is it part of the current AppModule?',
      );
    }
  });
});
