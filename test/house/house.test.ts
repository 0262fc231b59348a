/**
 * The check of the house against a tree with planted violations, one for each rule, and against this very tree.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkHouse } from '../../scripts/check-house.ts';

const OWN_ROOT = fileURLToPath(new URL('../..', import.meta.url));

let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'settled-house-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** Writes files and returns what the check finds, a line each. */
function found(files: Readonly<Record<string, string>>): string[] {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  return checkHouse(root).map(({ file, line, rule }) => `${file}:${line}: ${rule}`);
}

const SOUND = {
  'src/domain/event.ts': `import { createHash } from 'node:crypto';\nexport const a = createHash;\n`,
  'src/domain/pure.ts': `export const b = 1;\n`,
  'src/config/index.ts': `import { z } from 'zod';\nexport const c = z;\n`,
  'src/settlement/port.ts': `import type { a } from '../domain/event.ts';\nexport type P = typeof a;\n`,
  'src/settlement/settler.ts': `import type { P } from './port.ts';\nexport type S = P;\n`,
  'src/workflows/contract.ts': `import { b } from '../domain/pure.ts';\nexport const d = b;\n`,
  'src/workflows/partition.ts': `import { d } from './contract.ts';\nexport const e = d;\n`,
  'src/ledger/storage.ts': `import type { P } from '../settlement/port.ts';\nimport { c } from '../config/index.ts';\nexport type L = [P, typeof c];\n`,
  'src/activities/settle.ts': `import { d } from '../workflows/contract.ts';\nexport const f = d;\n`,
  'src/cli/worker.ts': `import { e } from '../workflows/partition.ts';\nimport pkg from '../../package.json' with { type: 'json' };\nawait import(pkg.name + e);\n`,
  'test/x.test.ts': `import { e } from '../src/workflows/partition.ts';\nexport const g = e;\n`,
  'package.json': '{}',
};

describe('the check of the house', () => {
  it('finds nothing in a sound tree', () => {
    expect(found(SOUND)).toEqual([]);
  });

  it.each([
    [
      'src/domain/x.ts',
      '../config/index.ts',
      'src/domain may not import src/config/index.ts; it may know: nothing',
    ],
    ['src/domain/x.ts', '../wire/y.ts', 'src/domain may not import src/wire/y.ts; it may know: nothing'],
    ['src/domain/x.ts', 'cassandra-driver', 'src/domain is pure: it may not import cassandra-driver'],
    [
      'src/workflows/x.ts',
      '../config/index.ts',
      'src/workflows may not import src/config/index.ts; it may know: domain',
    ],
    [
      'src/simulator/x.ts',
      '../domain/pure.ts',
      'src/simulator may not import src/domain/pure.ts; it may know: publisher, wire, config, logging, metrics',
    ],
    [
      'src/ledger/x.ts',
      '../settlement/settler.ts',
      'src/ledger may not import src/settlement/settler.ts; it may know: domain, settlement/port.ts, config, logging, metrics',
    ],
    [
      'src/ingest/x.ts',
      '../workflows/partition.ts',
      'src/ingest may not import src/workflows/partition.ts; it may know: wire, curve, domain, workflows/contract.ts, ledger, config, logging, metrics',
    ],
    [
      'src/config/x.ts',
      '../domain/pure.ts',
      'src/config may not import src/domain/pure.ts; it may know: logging, metrics',
    ],
    [
      'src/audit/x.ts',
      '../../test/x.test.ts',
      'src/audit may not import test/x.test.ts; it may know: domain, ledger, config, logging, metrics',
    ],
    ['src/cli/x.ts', '../../test/x.test.ts', 'src/cli may not import test/x.test.ts'],
    ['src/wire/x.ts', './nowhere.ts', './nowhere.ts names no file'],
    ['src/attic/x.ts', '../domain/pure.ts', 'src/attic/x.ts lies in no folder of the house'],
    ['src/x.ts', './domain/pure.ts', 'src/x.ts lies in no folder of the house'],
  ])('finds that %s imports %s', (file, specifier, rule) => {
    const text = `// a line before\nimport { x } from '${specifier}';\nexport const z = x;\n`;
    expect(found({ ...SOUND, 'src/wire/y.ts': 'export const x = 1;\n', [file]: text })).toEqual([
      `${file}:2: ${rule}`,
    ]);
  });

  it.each([
    ['a type', `import type { S } from '../settlement/settler.ts';`],
    ['several lines', `import {\n  type S,\n} from '../settlement/settler.ts';`],
    ['a default and a namespace', `import s, * as t from '../settlement/settler.ts';`],
    ['nothing but the effect', `import '../settlement/settler.ts';`],
    ['again for others', `export * from '../settlement/settler.ts';`],
    ['again for others by name', `export type { S } from '../settlement/settler.ts';`],
    ['at run time', `const s = await import('../settlement/settler.ts');`],
    ['in a type', `type S = import('../settlement/settler.ts').S;`],
    ['by require', `const s = require('../settlement/settler.ts');`],
  ])('sees an import of %s', (_name, text) => {
    const lines = found({ ...SOUND, 'src/wire/x.ts': text });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('src/wire/x.ts:1: src/wire may not import src/settlement/settler.ts');
  });

  it('is not misled by comments and templates', () => {
    const text = [
      `// import { x } from '../settlement/settler.ts';`,
      `/* import '../settlement/settler.ts'; */`,
      `/**\n * import('../settlement/settler.ts')\n */`,
      'export const t = `\nimport { x } from "../settlement/settler.ts";\n`;',
      `export const u = 'http://host/*'; // and on`,
      `import { v } from '../simulator/y.ts';`,
    ].join('\n');
    const lines = found({ ...SOUND, 'src/simulator/y.ts': 'export const v = 1;\n', 'src/wire/x.ts': text });
    expect(lines).toEqual([
      'src/wire/x.ts:10: src/wire may not import src/simulator/y.ts; it may know: domain, config, logging, metrics',
    ]);
  });

  it('does not let an import without a literal name pass unseen', () => {
    expect(found({ ...SOUND, 'src/wire/x.ts': 'export const x = await import(name);\n' })).toEqual([
      'src/wire/x.ts:1: an import of no literal name cannot be checked',
    ]);
  });

  it('finds a Node built-in that workflows reach, and the way to it', () => {
    const contract = `import type { a } from '../domain/event.ts';\nimport { d } from './bare.ts';\nexport type X = [typeof a, typeof d];\n`;
    const bare = `import { join } from 'path/posix';\nexport const d = join;\n`;
    expect(found({ ...SOUND, 'src/workflows/contract.ts': contract, 'src/workflows/bare.ts': bare })).toEqual(
      [
        'src/domain/event.ts:1: workflows may reach no Node built-in: src/workflows/contract.ts → src/domain/event.ts → node:crypto',
        'src/workflows/bare.ts:1: workflows may reach no Node built-in: src/workflows/bare.ts → path/posix',
      ],
    );
  });

  it('finds a circle once, and none where one of its imports is of types only', () => {
    const circle = {
      'src/wire/a.ts': `import { b } from './b.ts';\nexport const a = b;\n`,
      'src/wire/b.ts': `import { c } from './c.ts';\nexport const b = c;\n`,
      'src/wire/c.ts': `\nimport { a } from './a.ts';\nexport const c = a;\n`,
    };
    expect(found({ ...SOUND, ...circle })).toEqual([
      'src/wire/c.ts:2: a circle: src/wire/a.ts → src/wire/b.ts → src/wire/c.ts → src/wire/a.ts',
    ]);
    const typed = `import type { a } from './a.ts';\nexport type C = typeof a;\nexport const c = 1;\n`;
    expect(found({ 'src/wire/c.ts': typed })).toEqual([]);
  });

  it('finds circles beside src too, and nothing else there', () => {
    const beside = {
      'test/a.ts': `import { b } from './b.ts';\nimport '../src/wire/y.ts';\nexport const a = b;\n`,
      'test/b.ts': `import { a } from './a.ts';\nexport const b = a;\n`,
      'src/wire/y.ts': `export const x = 1;\n`,
    };
    expect(found({ ...SOUND, ...beside })).toEqual([
      'test/b.ts:1: a circle: test/a.ts → test/b.ts → test/a.ts',
    ]);
  });
});

describe('the command', () => {
  const run = (tree: string) =>
    execa('npx', ['tsx', 'scripts/check-house.ts', tree], { cwd: OWN_ROOT, reject: false });

  it('prints file, line and rule, and exits with 1', async () => {
    found({ 'src/wire/x.ts': `import '../publisher/y.ts';\n`, 'src/publisher/y.ts': '' });
    const { exitCode, stderr } = await run(root);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('src/wire/x.ts:1: src/wire may not import src/publisher/y.ts');
    expect(stderr).toContain('violations of the house: 1');
  });

  it('exits with 0 where the house stands', async () => {
    found(SOUND);
    expect((await run(root)).exitCode).toBe(0);
  });
});

describe('this house', () => {
  it('stands', () => {
    expect(checkHouse(OWN_ROOT)).toEqual([]);
  });
});
