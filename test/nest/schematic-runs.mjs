import { HostTree } from '@angular-devkit/schematics';
import { SchematicTestRunner, UnitTestTree } from '@angular-devkit/schematics/testing/index.js';
import { text } from 'node:stream/consumers';

/**
 * Runs `nest-add` by the engine of the Nest CLI on applications that come as JSON, and prints what became of each. A process of its
 * own: the engine requires ES modules, which Jest cannot.
 */
const results = [];
for (const { files, options } of JSON.parse(await text(process.stdin))) {
  const tree = new UnitTestTree(new HostTree());
  for (const [file, content] of Object.entries(files)) tree.create(file, content);
  const runner = new SchematicTestRunner('nestjs-latchkey', process.argv[2]);
  try {
    const result = await runner.runSchematic('nest-add', options, tree);
    const texts = Object.fromEntries(result.files.map((file) => [file.slice(1), result.readContent(file)]));
    results.push({ texts, tasks: runner.tasks });
  } catch (error) {
    results.push({ error: error.message });
  }
}
process.stdout.write(JSON.stringify(results));
