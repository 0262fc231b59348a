/**
 * docs/guarantees.md stays true of the tree: every test that it names is there under that title and is run, every planted bug,
 * setting and file too. And every page that the documentation links to is there.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { settings } from '../../src/config/index.ts';
import { PLANTED_BUGS } from '../sim/planted/bugs.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const page = read('docs/guarantees.md');

/** What the page says holds a promise: "`FILE`: "TITLE"". */
const named = [...page.matchAll(/`(test\/[^`]+\.test\.ts)`: "((?:\\"|[^"])+)"/g)].map(
  ([, file = '', title = '']) => ({ file, title: title.replaceAll('\\"', '"') }),
);

/** Titles of a file's tests, but for those that are left out. */
function titlesIn(text: string): string[] {
  const call = /\b(?:test|it)((?:\.\w+)*)(?:<[^(]*>)?\(/g;
  const title = /^\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`)/;
  return [...text.matchAll(call)].flatMap(({ 0: begun, 1: how = '', index }) => {
    if (/\.(skip|todo|fails)\b/.test(how)) return [];
    const rest = text.slice(index + begun.length);
    const at = how.includes('.each') ? rest.slice(endOfCall(rest)).replace(/^\s*\(/, '') : rest;
    const [, ...quoted] = title.exec(at) ?? [];
    const found = quoted.find((one) => one !== undefined);
    return found === undefined ? [] : [found.replace(/\\(['"`])/g, '$1')];
  });
}

/** Where a call's parenthesis closes that was opened just before. */
function endOfCall(text: string): number {
  let depth = 1;
  let at = 0;
  for (; at < text.length && depth > 0; at += 1) {
    const [quoted] =
      /^(?:'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)/.exec(text.slice(at)) ?? [];
    if (quoted) at += quoted.length - 1;
    else if (text[at] === '(') depth += 1;
    else if (text[at] === ')') depth -= 1;
  }
  return at;
}

/** A title as a pattern: what stands for a value of the test may be any value. */
function patternOf(title: string): RegExp {
  const literal = title
    .split(/\$\{[^}]*\}|\$\w+|%[sdioj]/)
    .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${literal.join('.+')}$`);
}

describe('docs/guarantees.md', () => {
  it('names tests in abundance, each once at its promise', () => {
    expect(named.length).toBeGreaterThan(60);
    // A line that names a test and is not read as such would be checked by nobody.
    expect(named.length).toBe([...page.matchAll(/\.test\.ts`: /g)].length);
  });

  it.each(named)('names a test that is there: $file, $title', ({ file, title }) => {
    const patterns = titlesIn(read(file)).map(patternOf);
    expect(patterns.some((pattern) => pattern.test(title))).toBe(true);
  });

  it('names planted bugs that there are, and every one of them', () => {
    const names = PLANTED_BUGS.map(({ name }) => name);
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
    const sections = page.matchAll(/^Planted bugs? that the simulation finds: ([^]*?)\.(?:\s|$)/gm);
    const found = [...sections].flatMap(([, list = '']) =>
      [...list.matchAll(/`([a-z-]+)`/g)].map(([, name = '']) => name),
    );
    expect(found.length).toBeGreaterThan(0);
    expect(found.filter((name) => !names.includes(name))).toEqual([]);
    // What is said to be found is what was found in the runs that docs/simulation.md tells of.
    const table = new Map(
      [...read('docs/simulation.md').matchAll(/^\| I\w+ +\| ([a-z-]+) +\| (.+?) +\|$/gm)].map(
        ([, name = '', seeds = '']) => [name, seeds],
      ),
    );
    expect(found.filter((name) => !/^\d+$/.test(table.get(name) ?? ''))).toEqual([]);
  });

  it('names settings that there are', () => {
    const variables = settings.map(({ variable }) => variable);
    const stated = [...page.matchAll(/SETTLED_[A-Z_]+/g)].map(([name]) => name);
    expect(stated.length).toBeGreaterThan(0);
    expect(stated.filter((name) => !variables.includes(name))).toEqual([]);
  });

  it('names files that there are', () => {
    const paths = [...page.matchAll(/`((?:src|test|docs|examples|bench)\/[^`\s]+)`/g)].map(
      ([, path = '']) => path,
    );
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});

describe('the documentation', () => {
  const pages = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)].filter(
    (name) => name.endsWith('.md'),
  );

  it.each(pages)('%s links to pages and headings that are there', (name) => {
    const links = [...read(name).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    const broken = links.filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [path = '', heading] = link.split('#');
      const target = path === '' ? name : join(dirname(name), path);
      if (!existsSync(join(ROOT, target))) return true;
      return heading !== undefined && !headingsOf(read(target)).includes(heading);
    });
    expect(broken).toEqual([]);
  });
});

/** The anchors of a page's headings. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}
