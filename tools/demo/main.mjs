import { ConfigError } from '../../dist-sample/config/config-error.js';
import { parseDatabaseUrl } from '../../dist-sample/config/database-url.js';
import { OptionError, readOptions } from './options.mjs';

/** Fills the database of the sample application with sessions, to try the console with; run it again for more. */
try {
  const options = readOptions(process.argv.slice(2), process.env);
  const database = parseDatabaseUrl(options.database);
  if (database.kind === 'memory')
    throw new OptionError('sqlite::memory: is gone when this ends. Name a file or a server.');
  // It takes seconds to load: a wrong option is told before.
  const { fill } = await import('./fill.mjs');
  await fill(database, options);
} catch (error) {
  const isPlain = error instanceof OptionError || error instanceof ConfigError;
  console.error(isPlain ? error.message.replace(/^DATABASE_URL/, 'The database (--database, DATABASE_URL)') : error);
  process.exit(1);
}
