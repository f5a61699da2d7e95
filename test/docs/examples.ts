import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export const pages: readonly string[] = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'sample-app/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name).replaceAll('\\', '/'))
    .sort(),
];

export const readPage = (page: string) => readFileSync(join(root, page), 'utf8');

export function codeBlocks(
  page: string,
  language: string,
): readonly { readonly line: number; readonly text: string }[] {
  const text = readPage(page);
  return [...text.matchAll(/^```(\S*).*\n([\s\S]*?)^```/gm)]
    .filter(([, name]) => name === language)
    .map((match) => ({ line: text.slice(0, match.index).split('\n').length + 1, text: match[2]! }));
}

/** What the compiler says of the TypeScript blocks of all pages, each a module of its own beside its page. */
export function compileExamples(): readonly string[] {
  const sources = new Map<string, { readonly page: string; readonly line: number; readonly text: string }>();
  for (const page of pages) {
    codeBlocks(page, 'ts').forEach(({ line, text }, index) =>
      sources.set(join(root, `${page}.${index}.ts`), { page, line, text }),
    );
  }
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
  // What an example gives to its reader, it does not use itself.
  const forExamples = { ...options, noEmit: true, noUnusedLocals: false };
  const host = ts.createCompilerHost(forExamples);
  const exists = host.fileExists.bind(host);
  const read = host.readFile.bind(host);
  host.fileExists = (path) => sources.has(path) || exists(path);
  host.readFile = (path) => sources.get(path)?.text ?? read(path);
  const program = ts.createProgram([...sources.keys()], forExamples, host);
  return [...sources].flatMap(([path, { page, line }]) => {
    const file = program.getSourceFile(path);
    const problems = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
    return problems.map(({ start = 0, messageText }) => {
      const at = file!.getLineAndCharacterOfPosition(start).line + line;
      return `${relative(root, join(root, page))}:${at} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
  });
}
