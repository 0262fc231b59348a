import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import { DiskFullError, MissingToolError, silentProgress, startStack } from '../../src/stack/index.ts';
import { requireSpace, saysDiskFull } from '../../src/stack/disk.ts';
import { temporalProgram } from '../../src/stack/temporal-program.ts';
import { goVersionWanted } from '../../src/stack/pinned.ts';
import { isAtLeast, javaMajor, requireGo, requireJava, requireMaven } from '../../src/stack/tools.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'settled-tools-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A program that prints a text; its folder is all of PATH, but for the shell's own. */
function fake(name: string, prints: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\ncat <<'END'\n${prints}\nEND\n`);
  chmodSync(path, 0o755);
  return path;
}
const only = (...folders: string[]) => ({ PATH: [folder, ...folders].join(':') });
/** Where `cat` is, without what else a machine has: fakes need it. */
const withCat = () => only('/bin');

const java = (version: string) => `openjdk version "${version}" 2024-01-01`;

describe('Java', () => {
  test('that is missing is asked for by version, with how to get it and what else would do', async () => {
    const asked = requireJava(undefined, only(), []);
    await expect(asked).rejects.toThrow(MissingToolError);
    await expect(asked).rejects.toThrow(
      /needs Java 17.*no Java was found.*openjdk-17.*SETTLED_CASSANDRA_CONTACT_POINTS/s,
    );
  });

  test('of the wrong version is named, with the version', async () => {
    fake('jvm/bin/java', java('21.0.2'));
    await expect(requireJava(join(folder, 'jvm'), withCat(), [])).rejects.toThrow(/java is Java 21/);
  });

  test('is found beside the one on PATH where distributions keep several', async () => {
    const right = fake('jvm/java-17-openjdk/bin/java', java('17.0.9'));
    fake('bin/java', java('21.0.2'));
    const env = { PATH: `${join(folder, 'bin')}:/bin` };
    expect(await requireJava(undefined, env, [join(folder, 'jvm')])).toEqual({ program: right, major: 17 });
  });

  test.each([
    ['1.8.0_392', 8],
    ['11.0.21', 11],
    ['17', 17],
  ])('%s is major version %i', (version, major) => {
    expect(javaMajor(java(version))).toBe(major);
  });
});

describe('Go', () => {
  test('that is missing is asked for, with the other ways to a Temporal', async () => {
    await expect(requireGo('1.25.0', only())).rejects.toThrow(
      /`go` is not on PATH.*1\.25\.0.*SETTLED_TEMPORAL_PROGRAM.*SETTLED_TEMPORAL_ADDRESS/s,
    );
  });

  test('that is too old is named, and no newer one is downloaded', async () => {
    fake('go', 'go1.21.4');
    await expect(requireGo('1.25.0', withCat())).rejects.toThrow(
      /Go 1\.25\.0 or newer.*is Go 1\.21\.4, too old/,
    );
  });

  test('that is new enough is taken', async () => {
    const go = fake('go', 'go1.26.8');
    expect(await requireGo(goVersionWanted(), withCat())).toBe(go);
  });

  test('versions compare by number, not by letter', () => {
    expect(isAtLeast('1.100.0', '1.25.0')).toBe(true);
    expect(isAtLeast('1.25', '1.25.0')).toBe(true);
    expect(isAtLeast('1.9.9', '1.25.0')).toBe(false);
  });
});

describe('Maven', () => {
  test('that is missing is asked for, with how to get it', () => {
    expect(() => requireMaven(only())).toThrow(/Maven.*apt install maven.*SETTLED_CASSANDRA_CONTACT_POINTS/s);
  });
});

describe('the temporal program', () => {
  const search = (configured?: string, env = withCat()) =>
    temporalProgram({
      configured,
      cacheDir: join(folder, 'cache'),
      env,
      progress: silentProgress,
      signal: undefined,
    });

  test('of the user comes before the one on PATH, and that before a build', async () => {
    const mine = fake('mine/temporal', 'temporal version 9.9.9 (Server 1)');
    fake('temporal', 'temporal version 1.0.0 (Server 1)');
    expect(await search(mine)).toEqual({ path: mine, version: '9.9.9 (Server 1)', origin: 'configured' });
    expect(await search()).toMatchObject({ version: '1.0.0 (Server 1)', origin: 'path' });
  });

  test('of the user that does not run stops the start, rather than being passed over', async () => {
    await expect(search(join(folder, 'nothing'))).rejects.toThrow(
      /SETTLED_TEMPORAL_PROGRAM=.*nothing does not run/,
    );
  });

  test('on PATH that is something else by the same name is passed over', async () => {
    fake('temporal', 'a calendar');
    await expect(search()).rejects.toThrow(MissingToolError);
  });
});

describe('a start without tools', () => {
  test('ends with what is missing and leaves no server', async () => {
    const settings = loadConfig({
      SETTLED_HOME: join(folder, 'home'),
      SETTLED_CACHE_DIR: join(folder, 'cache'),
      SETTLED_STACK_PORTS: 'free',
      SETTLED_JAVA_HOME: join(folder, 'no-java'),
    }).stack;
    await expect(startStack({ settings, env: { PATH: folder } })).rejects.toThrow(MissingToolError);
  });
});

describe('disk space', () => {
  test('that is short is named before anything is begun', () => {
    const asked = () =>
      requireSpace(join(folder, 'not/yet/there'), Number.MAX_SAFE_INTEGER, 'SETTLED_CACHE_DIR');
    expect(asked).toThrow(DiskFullError);
    expect(asked).toThrow(/Only \d+ MB are free at .* choose another place with SETTLED_CACHE_DIR/);
  });

  test('that ran out is recognized in errors and in what programs print', () => {
    expect(saysDiskFull(Object.assign(new Error('write'), { code: 'ENOSPC' }))).toBe(true);
    expect(saysDiskFull('link: write /x: no space left on device')).toBe(true);
    expect(saysDiskFull(new Error('connection refused'))).toBe(false);
  });
});
