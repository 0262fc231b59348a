/** A small run of the fuzzer, and the command as CI reads it. */
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { Door, totalOf } from './door.ts';
import { fuzz } from './run.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

describe('mutated frames', () => {
  it('crash nothing, each ends in one way, each reason and mutation strikes, and events survive being encoded', async () => {
    const report = await fuzz({ frames: 20_000, seed: 7 });
    expect(report.failures).toEqual([]);
    expect(report).toMatchObject({ frames: 20_000, crashes: 0, accounted: 20_000, missing: [], idle: [] });
    expect(report.accepted).toBeGreaterThan(500);
    expect(report.duplicates).toBeGreaterThan(50);
    expect(report.throughSocket).toBeGreaterThan(1_000);
  }, 120_000);

  it('are the same for the same seed', async () => {
    const run = async (seed: number) => {
      const { seconds: _seconds, ...rest } = await fuzz({ frames: 2_000, seed });
      return rest;
    };
    expect(await run(3)).toEqual(await run(3));
    expect(await run(3)).not.toEqual(await run(4));
  }, 60_000);

  it('are reported as one JSON object, and misuse by exit code 2', async () => {
    const main = (...args: string[]) =>
      execa(process.execPath, ['--import', 'tsx/esm', MAIN, ...args], { reject: false, timeout: 60_000 });
    const { exitCode, stdout, stderr } = await main('--frames', '3000', '--seed', '1', '--json');
    expect(exitCode, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ frames: 3_000, crashes: 0, accounted: 3_000 });
    expect(stderr).toBe('');
    expect((await main('--frames', 'many')).exitCode).toBe(2);
    expect((await main('--help')).exitCode).toBe(0);
  }, 120_000);
});

describe('the door', () => {
  it('counts what it can not take at all as a crash, and keeps it', async () => {
    const door = new Door('numbered');
    await door.take([Buffer.from('settlement'), Buffer.from('{"user_id":1}')]);
    expect(door.tally.rejected).toEqual({ 'missing-field': 1 });
    expect(totalOf(door.tally)).toBe(1);
    await door.take([Buffer.from('settlement'), null as unknown as Buffer]);
    expect(door.crashes).toBe(1);
    expect(door.failures).toHaveLength(1);
    expect(totalOf(door.tally)).toBe(1);
  });
});
