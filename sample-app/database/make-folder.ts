import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it that are missing. `mkdir` with `recursive` never ends where a parent takes no folders and says that
 * it is missing, as below /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  const make = () => mkdir(path, { mode: 0o700 });
  try {
    await make().catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' || dirname(path) === path) throw error;
      await makeFolder(dirname(path));
      await make();
    });
  } catch (error) {
    const isThere = await stat(path)
      .then((found) => found.isDirectory())
      .catch(() => false);
    if (!isThere) throw error;
  }
}
