import { createRequire } from 'node:module';
import path from 'node:path';

const { resolve } = createRequire(path.resolve('package.json'));
/** Native code stays outside, and so do the optional packages that are not installed. */
const isOutside = (name) => {
  try {
    return name === 'libsql' || !resolve(name);
  } catch (error) {
    return error.code === 'MODULE_NOT_FOUND';
  }
};

export default {
  target: 'node20',
  mode: 'production',
  entry: './dist/main.js',
  output: { path: path.resolve('bundle'), filename: 'main.cjs' },
  externalsType: 'commonjs',
  externals: [({ request }, done) => (/^[@\w]/.test(request) && isOutside(request) ? done(null, request) : done())],
};
