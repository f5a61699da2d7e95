import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
};

export interface PublicFile {
  readonly type: string;
  readonly text: string;
  /** As the header of that name has it. */
  readonly etag: string;
}

/**
 * The files of one directory that browsers may have, read once. They are asked for by name, and a name is looked up and
 * never made a path.
 */
export class PublicFiles {
  private readonly files: ReadonlyMap<string, PublicFile>;

  /** @param directory URL that ends with a slash; what is in directories below it is left out */
  constructor(directory: URL) {
    const names = readdirSync(directory).filter((name) => extname(name) in TYPES);
    this.files = new Map(names.map((name) => [name, read(new URL(name, directory))]));
  }

  get(name: string): PublicFile | undefined {
    return this.files.get(name);
  }
}

function read(url: URL): PublicFile {
  const text = readFileSync(url, 'utf8');
  const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
  return { type: TYPES[extname(fileURLToPath(url))]!, text, etag };
}

/** What `nest build` copies beside the program. */
export const ownFiles = (): PublicFiles => new PublicFiles(new URL('../public/', import.meta.url));

/** The browser client of the session library, wherever that is installed. */
export const clientFiles = (): PublicFiles =>
  new PublicFiles(new URL('./', import.meta.resolve('nestjs-latchkey/client')));
