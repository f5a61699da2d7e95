import { rmSync, writeFileSync } from 'node:fs';
import { runNode } from './lib/run.mjs';
import { SAMPLE } from './lib/up-to-date.mjs';

/** Builds dist-sample. */
rmSync(SAMPLE.output, { force: true });
await runNode('node_modules/@nestjs/cli/bin/nest.js', ['build']);
writeFileSync(SAMPLE.output, '');
