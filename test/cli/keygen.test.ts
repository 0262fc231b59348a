/** `settled keygen` as a user runs it. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, describe, expect, it } from 'vitest';
import { readCurveKeys, readPublicKeys } from '../../src/curve/index.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/settled.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'settled-keygen-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const keygen = (...args: string[]) =>
  execa(process.execPath, [PROGRAM, 'keygen', ...args], { reject: false, timeout: 60_000 });

describe('settled keygen', () => {
  it('makes a pair, shows the public key only, and overwrites nothing', async () => {
    const out = join(folder, 'keys');
    const made = await keygen('--out', out, '--name', 'engine-1', '--json');
    expect(made.exitCode, made.stderr).toBe(0);
    const { publicKey, secretPath, publicPath } = JSON.parse(made.stdout) as Record<string, string>;
    expect(readdirSync(out).sort()).toEqual(['engine-1.key', 'engine-1.pub']);
    expect(statSync(secretPath!).mode & 0o777).toBe(0o600);
    expect(statSync(out).mode & 0o777).toBe(0o700);
    const keys = readCurveKeys(secretPath!);
    expect(keys.publicKey).toBe(publicKey);
    expect(readPublicKeys(publicPath!)).toEqual([{ key: publicKey, name: 'engine-1' }]);
    expect(made.stdout + made.stderr).not.toContain(keys.secretKey.reveal());
    const again = await keygen('--out', out, '--name', 'engine-1');
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain('engine-1.key is there already and is not overwritten');
    expect(readCurveKeys(secretPath!).publicKey).toBe(publicKey);
  }, 120_000);

  it.each([[['--out', folder, '--name', '../up']], [[]]])(
    'refuses %j',
    async (args) => {
      expect((await keygen(...args)).exitCode).toBe(1);
    },
    60_000,
  );
});
