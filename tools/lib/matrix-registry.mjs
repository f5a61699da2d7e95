import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';

/**
 * Starts a registry that has the packed library, as if it were published, and leads every other request to the registry in use: the
 * Nest CLI installs what it adds by its name alone.
 */
export async function startRegistry(tarball, { cwd, env }) {
  const upstream = execFileSync('npm', ['config', 'get', 'registry'], { cwd, env, encoding: 'utf8' }).trim();
  const packed = readFileSync(tarball);
  const manifest = JSON.parse(execFileSync('tar', ['-xOf', tarball, 'package/package.json'], { encoding: 'utf8' }));
  const { name, version } = manifest;
  const file = `/${name}/-/${path.basename(tarball)}`;
  const server = createServer(({ url }, response) => {
    if (url === file) return response.end(packed);
    if (url !== `/${name}`) return response.writeHead(307, { location: new URL(`.${url}`, upstream).href }).end();
    const integrity = `sha512-${createHash('sha512').update(packed).digest('base64')}`;
    const dist = { tarball: registry.url + file.slice(1), integrity };
    const body = { name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } } };
    return response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const registry = { url: `http://127.0.0.1:${server.address().port}/`, stop: () => server.close() };
  return registry;
}
