/**
 * Holds the house together: which folder under src may import which (the design's table), that no file reachable from
 * src/workflows uses a Node built-in (I9), and that no imports run in a circle. Prints every violation with its file,
 * line and rule, and exits with 1 if there is any. Run: `npx tsx scripts/check-house.ts`.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What all rooms but the strict ones may know. */
const COMMON = ['config', 'logging', 'metrics'];

/** Rooms that know nothing beyond their row, not even the common ones. */
const STRICT = ['domain', 'workflows'];

/** The table: each folder under src, and the folders, or single files, that it may import beside itself. */
const ROWS: Readonly<Record<string, readonly string[] | 'all'>> = {
  config: [],
  logging: [],
  metrics: [],
  domain: [],
  wire: ['domain'],
  curve: [],
  publisher: ['wire', 'curve'],
  simulator: ['publisher', 'wire'],
  ledger: ['domain', 'settlement/port.ts'],
  settlement: ['domain'],
  workflows: ['domain'],
  activities: ['settlement', 'audit', 'domain', 'workflows/contract.ts'],
  ingest: ['wire', 'curve', 'domain', 'workflows/contract.ts', 'ledger'],
  audit: ['domain', 'ledger'],
  api: ['console', 'ledger', 'audit', 'domain', 'workflows/contract.ts'],
  console: ['api', 'ledger', 'audit', 'domain', 'workflows/contract.ts'],
  stack: [],
  cli: 'all',
};

/** Folders beside src: they may import anything, and are looked at for circles only. */
const BESIDE = ['bench', 'scripts', 'test'];

/** One broken rule, where it is broken. `file` is relative to the root, with forward slashes. */
export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
}

interface Import {
  readonly file: string;
  readonly line: number;
  /** As written; undefined where it is no literal. */
  readonly specifier: string | undefined;
  /** `import type` or `export type`: gone at run time. */
  readonly typeOnly: boolean;
  /** The imported file, relative to the root; undefined for packages and built-ins. */
  readonly target: string | undefined;
}

const COMMENT_OR_TEXT =
  /\/\*[^]*?\*\/|\/\/[^\n]*|`(?:\\[^]|[^`\\])*`|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g;
const STATIC =
  /\b(?:import|export)\s*(type\b(?!\s*from\b))?\s*(?:(?:[\w$]+\s*,\s*)?(?:\{[^}]*\}|\*(?:\s*as\s+[\w$]+)?|[\w$]+)\s*from\s*)?(['"])([^'"\n]+)\2/g;
const CALL = /(?<![\w$.])(?:import|require)\s*\(\s*(?:(['"])([^'"\n]+)\1)?/g;

/**
 * Checks the tree under `root`.
 *
 * @returns all violations, by file and line; empty where the house stands
 */
export function checkHouse(root: string): Violation[] {
  const files = ['src', ...BESIDE].flatMap((folder) => sourceFiles(root, folder)).sort();
  const imports = new Map(files.map((file) => [file, importsOf(root, file)]));
  const violations = [...imports.values()].flat().flatMap((found) => tableViolations(root, found));
  violations.push(...workflowViolations(imports), ...circles(imports));
  return violations.sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
}

function sourceFiles(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => posix.join(folder, name.split(sep).join('/')))
    .filter((name) => /\.[cm]?[jt]sx?$/.test(name) && !name.includes('node_modules/'));
}

function importsOf(root: string, file: string): Import[] {
  // Comments and templates become blanks of the same lines, so that what stands in them is no import.
  const text = readFileSync(join(root, file), 'utf8').replace(COMMENT_OR_TEXT, (found) =>
    found.startsWith("'") || found.startsWith('"') ? found : found.replace(/[^\n]/g, ' '),
  );
  const entry = (index: number, specifier: string | undefined, typeOnly: boolean): Import => {
    const isFile = specifier !== undefined && /^\.{1,2}\//.test(specifier);
    const target = isFile ? posix.join(dirname(file), specifier) : undefined;
    return { file, line: text.slice(0, index).split('\n').length, specifier, typeOnly, target };
  };
  return [
    ...[...text.matchAll(STATIC)].map((match) => entry(match.index, match[3], match[1] !== undefined)),
    ...[...text.matchAll(CALL)].map((match) => entry(match.index, match[2], false)),
  ];
}

/** Rules about one import: the table, and that it names something. */
function tableViolations(root: string, found: Import): Violation[] {
  const { file, line, specifier, target } = found;
  const broken = (rule: string): Violation[] => [{ file, line, rule }];
  if (!file.startsWith('src/')) return [];
  const [, room = '', ...within] = file.split('/');
  const row = ROWS[room];
  if (row === undefined || within.length === 0) return broken(`${file} lies in no folder of the house`);
  if (specifier === undefined)
    return row === 'all' ? [] : broken('an import of no literal name cannot be checked');
  if (target === undefined) {
    if (room === 'domain' && !isBuiltin(specifier))
      return broken(`src/domain is pure: it may not import ${specifier}`);
    return [];
  }
  if (!existsSync(join(root, target))) return broken(`${specifier} names no file`);
  const [top = '', other = ''] = target.split('/');
  if (row === 'all') return BESIDE.includes(top) ? broken(`src/${room} may not import ${target}`) : [];
  const allowed = [...row, ...(STRICT.includes(room) ? [] : COMMON.filter((name) => name !== room))];
  const path = target.slice('src/'.length);
  if (top === 'src' && (other === room || allowed.includes(other) || allowed.includes(path))) return [];
  return broken(`src/${room} may not import ${target}; it may know: ${allowed.join(', ') || 'nothing'}`);
}

/** I9: walks from every file of src/workflows along all imports, and reports each built-in with the way to it. */
function workflowViolations(imports: ReadonlyMap<string, readonly Import[]>): Violation[] {
  const ways = new Map<string, string>();
  const queue = [...imports.keys()].filter((file) => file.startsWith('src/workflows/'));
  for (const file of queue) ways.set(file, file);
  const violations: Violation[] = [];
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    for (const { line, specifier, target } of imports.get(file) ?? []) {
      if (specifier !== undefined && target === undefined && isBuiltin(specifier)) {
        const rule = `workflows may reach no Node built-in: ${ways.get(file)} → ${specifier}`;
        violations.push({ file, line, rule });
      } else if (target !== undefined && imports.has(target) && !ways.has(target)) {
        ways.set(target, `${ways.get(file)} → ${target}`);
        queue.push(target);
      }
    }
  }
  return violations;
}

/** Circles of imports that exist at run time, each reported once, at the import that closes it. */
function circles(imports: ReadonlyMap<string, readonly Import[]>): Violation[] {
  const violations: Violation[] = [];
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (file: string): void => {
    way.push(file);
    for (const { line, target, typeOnly } of imports.get(file) ?? []) {
      if (typeOnly || target === undefined || !imports.has(target) || done.has(target)) continue;
      const start = way.indexOf(target);
      if (start === -1) visit(target);
      else violations.push({ file, line, rule: `a circle: ${[...way.slice(start), target].join(' → ')}` });
    }
    way.pop();
    done.add(file);
  };
  for (const file of imports.keys()) if (!done.has(file)) visit(file);
  return violations;
}

const script = fileURLToPath(import.meta.url);
if (process.argv[1] !== undefined && resolve(process.argv[1]) === script) {
  const root = resolve(process.argv[2] ?? join(dirname(script), '..'));
  const violations = checkHouse(root);
  for (const { file, line, rule } of violations) console.error(`${file}:${line}: ${rule}`);
  if (violations.length > 0) {
    console.error(
      `violations of the house: ${violations.length}, in ${relative(process.cwd(), root) || '.'}`,
    );
    process.exitCode = 1;
  }
}
