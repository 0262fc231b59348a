/**
 * The main job as a user runs it, by the command line: a stack of its own, a stream over a real socket, the audit, one
 * JSON object, and nothing left running.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../../bin/settled.mjs', import.meta.url));
const data = (name: string): string => fileURLToPath(new URL(`../data/${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'settled-e2e-'));
const MARK = `settled-e2e-${process.pid}`;

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly report: Record<string, unknown>;
  readonly stderr: string;
}

/** Runs `settled demo --json`. Whatever it starts inherits a mark in its environment. */
async function demo(...args: string[]): Promise<Ran> {
  const env = { ...process.env, SETTLED_TEST_MARK: MARK };
  const { code, stdout, stderr } = await new Promise<{ code: number; stdout: string; stderr: string }>(
    (resolve) => {
      execFile(
        process.execPath,
        [PROGRAM, 'demo', '--json', ...args],
        { env, cwd: folder },
        (error, out, err) => {
          resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout: out, stderr: err });
        },
      );
    },
  );
  expect(stdout.trim().split('\n'), stderr).toHaveLength(1);
  return { code, report: JSON.parse(stdout) as Ran['report'], stderr };
}

/** Processes that carry the mark. */
function marked(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const isOurs = readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`SETTLED_TEST_MARK=${MARK}`);
        return isOurs ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')] : [];
      } catch {
        return []; // Ended meanwhile, or another user's.
      }
    });
}

describe('the demonstration', () => {
  test('settles the story of three traders, proves it, and leaves nothing running', async () => {
    const seen = new Set<string>();
    const watch = setInterval(() => {
      for (const command of marked()) seen.add(command);
    }, 500);
    const { code, report, stderr } = await demo().finally(() => {
      clearInterval(watch);
    });
    // The mark shows what it started, so that its absence means something.
    for (const part of ['CassandraDaemon', 'start-dev', 'worker', 'ingest'])
      expect(
        [...seen].some((command) => command.includes(part)),
        part,
      ).toBe(true);
    expect(code, stderr).toBe(0);
    expect(report).toMatchObject({
      deposits: 9,
      trades: 136,
      rejected: 0,
      errors: 0,
      audit: { ok: true, findings: [] },
      oracle: true,
      temporalUi: expect.stringMatching(
        /^http:\/\/127\.0\.0\.1:\d+\/namespaces\/default\/workflows\/settle-main-/,
      ),
    });
    expect(report['ledgerEvents']).toBeGreaterThan(9);
    expect(report['balanceUpdates']).toBeGreaterThan(4 * 136);
    expect(report['tradesPerSecond']).toBeGreaterThan(0);
    expect(report).not.toHaveProperty('stopped');
    expect(marked()).toEqual([]);
  }, 120_000);

  test('settles a recording to the books of its engine', async () => {
    const name = 'classic-phantom-locks';
    const { code, report, stderr } = await demo(
      '--classic',
      '--from',
      data(`${name}.jsonl`),
      '--oracle',
      data(`${name}.oracle.json`),
    );
    expect(code, stderr).toBe(0);
    expect(report).toMatchObject({
      deposits: 102,
      trades: 2_647,
      ledgerEvents: 102 + 4_591 + 65,
      rejected: 50,
      errors: 0,
      audit: { ok: true, findings: [] },
      oracle: true,
    });
    expect(marked()).toEqual([]);
  }, 120_000);

  test('says where a damaged recording stopped, and that all before it is sound', async () => {
    const lines = readFileSync(data('classic-e2e.jsonl'), 'utf8').trimEnd().split('\n');
    const locks = lines.flatMap((line, index) => (line.includes('LOCK') ? [index] : []));
    const damaged = join(folder, 'damaged.jsonl');
    writeFileSync(damaged, `${lines.toSpliced(locks[60]!, 1).join('\n')}\n`);
    const { code, report } = await demo(
      '--classic',
      '--from',
      damaged,
      '--oracle',
      data('classic-e2e.oracle.json'),
    );
    expect(code).toBe(1);
    expect(report).toMatchObject({
      errors: 1,
      audit: { ok: true, findings: [] },
      stopped: {
        reason: 'version-mismatch',
        sequence: expect.stringMatching(/^\d+$/),
        user: expect.stringMatching(/^100[123]$/),
        asset: expect.any(Number),
        expected: expect.stringMatching(/^\d+$/),
        stated: expect.stringMatching(/^\d+$/),
      },
    });
    const { sequence } = report['stopped'] as { sequence: string };
    expect(report['events']).toBe(Number(sequence) - 1);
    expect(marked()).toEqual([]);
  }, 120_000);
});
