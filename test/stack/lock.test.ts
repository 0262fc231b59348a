import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { withLock } from '../../src/stack/lock.ts';
import { ownIdentity } from '../../src/stack/process-identity.ts';

const HOLDER = fileURLToPath(new URL('./fixtures/lock-holder.ts', import.meta.url));
const PROCESSES_MS = 60_000;

let folder: string;
let lock: string;
let journal: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'settled-lock-'));
  lock = join(folder, 'it.lock');
  journal = join(folder, 'journal');
  writeFileSync(journal, '');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const holder = (rounds: string) =>
  execa(process.execPath, ['--import', 'tsx', HOLDER, lock, journal, rounds], { reject: false });
const lines = () => readFileSync(journal, 'utf8').trim().split('\n').filter(Boolean);

describe('a lock between processes', () => {
  test(
    'lets one in at a time, and everybody in the end',
    async () => {
      await Promise.all([holder('15'), holder('15'), holder('15')]);
      const seen = lines();
      expect(seen).toHaveLength(90);
      for (let index = 0; index < seen.length; index += 2)
        expect(seen[index + 1]).toBe(seen[index]?.replace('in', 'out'));
    },
    PROCESSES_MS,
  );

  test(
    'whose owner was killed is taken over, by one of those who wait only',
    async () => {
      const killed = holder('hang');
      await vi.waitFor(() => expect(lines()).toHaveLength(1), { timeout: 20_000 });
      const waiting = [holder('5'), holder('5')];
      await sleep(1_000);
      expect(lines()).toHaveLength(1);
      killed.kill('SIGKILL');
      await Promise.all([killed, ...waiting]);
      const seen = lines().slice(1);
      expect(seen).toHaveLength(20);
      for (let index = 0; index < seen.length; index += 2)
        expect(seen[index + 1]).toBe(seen[index]?.replace('in', 'out'));
    },
    PROCESSES_MS,
  );

  test('of a pid that now is another process counts as nobody’s', async () => {
    writeFileSync(lock, JSON.stringify({ ...ownIdentity(), processStart: 'long ago' }));
    expect(await withLock(lock, {}, async () => 'in')).toBe('in');
  });

  test('with torn content counts as nobody’s', async () => {
    writeFileSync(lock, '{"pid": 12');
    expect(await withLock(lock, {}, async () => 'in')).toBe('in');
  });

  test('tells once for whom it waits, and stops waiting when told to', async () => {
    const abort = new AbortController();
    const onWait = vi.fn();
    await withLock(lock, {}, async () => {
      const second = withLock(lock, { signal: abort.signal, onWait }, async () => 'never');
      setTimeout(() => abort.abort(new Error('enough')), 350);
      await expect(second).rejects.toThrow('enough');
    });
    expect(onWait).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ pid: process.pid }));
  });

  test('is given back when the work fails, and leaves no files', async () => {
    await expect(withLock(lock, {}, () => Promise.reject(new Error('torn')))).rejects.toThrow('torn');
    await withLock(lock, {}, async () => {});
    expect(readdirSync(folder)).toEqual(['journal']);
  });
});
