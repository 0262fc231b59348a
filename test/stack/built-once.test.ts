import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type BuildOnce, builtOnce, builtPath, findBuilt } from '../../src/stack/built-once.ts';
import { wrongJars } from '../../src/stack/cassandra-files.ts';

let folder: string;
let input: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'settled-built-'));
  input = join(folder, 'go.sum');
  writeFileSync(input, 'pinned');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const wanted = (build: BuildOnce['build']): BuildOnce => ({
  cacheDir: join(folder, 'cache'),
  name: 'thing',
  inputs: [input],
  signal: undefined,
  onWait: () => {},
  build,
});

describe('what is built once', () => {
  test('is built by one of two that want it at the same time', async () => {
    let builds = 0;
    const build = async (place: string) => {
      builds++;
      await sleep(200);
      writeFileSync(join(place, 'program'), 'whole');
    };
    const onWait = vi.fn();
    const [a, b] = await Promise.all([
      builtOnce({ ...wanted(build), onWait }),
      builtOnce({ ...wanted(build), onWait }),
    ]);
    expect(builds).toBe(1);
    expect(onWait).toHaveBeenCalledOnce();
    expect(a).toBe(b);
    expect(readFileSync(join(a, 'program'), 'utf8')).toBe('whole');
  });

  test('leaves nothing in its place when building fails, and is built at the next try', async () => {
    const half = async (place: string) => {
      writeFileSync(join(place, 'program'), 'half');
      throw new Error('no network');
    };
    await expect(builtOnce(wanted(half))).rejects.toThrow('no network');
    const things = join(folder, 'cache', 'thing');
    expect(readdirSync(things)).toEqual([]);
    const place = await builtOnce(wanted(async (to) => writeFileSync(join(to, 'program'), 'whole')));
    expect(readFileSync(join(place, 'program'), 'utf8')).toBe('whole');
  });

  test('clears away what a killed build left', async () => {
    const thing = wanted(async () => {});
    const leftover = `${builtPath(thing)}.building-999999`;
    mkdirSync(leftover, { recursive: true });
    await builtOnce(thing);
    expect(existsSync(leftover)).toBe(false);
  });

  test('is found with what a compiler left that outlived its settled, and that is cleared away once old', async () => {
    const thing = wanted(async () => {});
    expect(findBuilt(thing)).toBeUndefined();
    const place = await builtOnce(thing);
    const leftover = `${place}.building-999999`;
    mkdirSync(leftover);
    expect(findBuilt(thing)).toBe(place);
    expect(existsSync(leftover)).toBe(true);
    utimesSync(leftover, 0, 0);
    expect(findBuilt(thing)).toBe(place);
    expect(existsSync(leftover)).toBe(false);
  });

  test('is built anew when a pinned input changes', () => {
    const before = builtPath(wanted(async () => {}));
    writeFileSync(input, 'pinned otherwise');
    expect(builtPath(wanted(async () => {}))).not.toBe(before);
  });
});

describe('jars', () => {
  test('that are missing, altered or unknown are named', () => {
    writeFileSync(join(folder, 'altered.jar'), 'x');
    writeFileSync(join(folder, 'unknown.jar'), 'x');
    writeFileSync(join(folder, 'right.jar'), '');
    const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
    const digests = [`${empty}  altered.jar`, `${empty}  missing.jar`, `${empty}  right.jar`, ''].join('\n');
    expect(wrongJars(folder, digests)).toEqual([
      'missing.jar is missing',
      'unknown.jar is not on the list',
      'altered.jar has other content',
    ]);
  });
});
