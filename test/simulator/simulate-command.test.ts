import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { Dealer, Pull } from 'zeromq';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { register } from '../../src/cli/commands/simulate.ts';
import { encoded } from '../../src/simulator/outgoing.ts';
import { recordingLine } from '../../src/simulator/recording.ts';
import { events } from '../../src/simulator/simulation.ts';

const CLASSIC = fileURLToPath(new URL('../data/classic-e2e.jsonl', import.meta.url));

let stdout = '';
let stderr = '';
let folder = '';

beforeEach(async () => {
  stdout = stderr = '';
  process.exitCode = undefined;
  folder = await mkdtemp(join(tmpdir(), 'settled-'));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => Boolean((stdout += String(text))));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => Boolean((stderr += String(text))));
});

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

async function simulate(...flags: string[]): Promise<unknown> {
  const program = new Command('settled').exitOverride();
  register(program);
  await program.parseAsync(['simulate', ...flags], { from: 'user' });
  return process.exitCode;
}

describe('settled simulate', () => {
  it('writes stream and oracle without sending, and prints counts as JSON', async () => {
    const stream = join(folder, 'stream.jsonl');
    const oracle = join(folder, 'oracle.json');
    expect(await simulate('--no-send', '--json', '--stream-file', stream, '--oracle-file', oracle)).toBe(
      undefined,
    );
    const lines = [...encoded(events())].map(({ frames }) => `${recordingLine(frames)}\n`);
    expect(await readFile(stream, 'utf8')).toBe(lines.join(''));
    const counts = (JSON.parse(await readFile(oracle, 'utf8')) as { counts: object }).counts;
    expect(JSON.parse(stdout)).toMatchObject({ endpoint: null, counts, firstSequence: '1', delivered: null });
    expect(stderr).toBe('');
  });

  it('binds a free port, says which, and sends the stream to the peer that comes', async () => {
    const done = simulate(
      '--endpoint',
      'tcp://127.0.0.1:*',
      '--json',
      '--trades',
      '50',
      '--first-sequence',
      '10',
    );
    const endpoint = await vi.waitFor(() => /listening on (\S+)/.exec(stderr)![1]!, { timeout: 20_000 });
    const pull = new Pull({ linger: 0 });
    pull.connect(endpoint);
    const expected = [...encoded(events({ trades: 50 }))].slice(9);
    for (const { frames } of expected) expect((await pull.receive()).map(String)).toEqual(frames.map(String));
    expect(await done).toBe(undefined);
    pull.close();
    expect(JSON.parse(stdout)).toMatchObject({
      endpoint,
      messages: expected.length,
      firstSequence: '10',
      delivered: true,
    });
  });

  it('keeps a stream in an outbox, says what nobody has settled, and goes on with it when it is asked again', async () => {
    const outbox = join(folder, 'outbox');
    const free = ['--endpoint', 'tcp://127.0.0.1:*', '--control', 'tcp://127.0.0.1:*', '--outbox', outbox];
    expect(await simulate(...free, '--trades', '30', '--wait-seconds', '0.1')).toBe(1);
    expect(stderr).toMatch(/0 of \d+ events are known to be settled.*no ingest is connected.*in the outbox/);
    stderr = stdout = '';
    process.exitCode = undefined;
    const expected = [...encoded(events({ trades: 30 }))];
    const done = simulate(...free, '--trades', '30', '--json');
    const [endpoint, control] = await vi.waitFor(() => {
      const found = /listening on (\S+)\ncontrol socket on (\S+)/.exec(stderr)!;
      return [found[1]!, found[2]!];
    });
    const pull = new Pull({ linger: 0 });
    pull.connect(endpoint);
    for (const { frames } of expected) expect((await pull.receive()).map(String)).toEqual(frames.map(String));
    const dealer = new Dealer({ linger: 0 });
    dealer.connect(control);
    await dealer.send(`{"type":"settled","stream":"main","upTo":${expected.length},"lease":1}`);
    expect(await done).toBe(undefined);
    pull.close();
    dealer.close();
    expect(JSON.parse(stdout)).toMatchObject({
      delivered: true,
      again: expected.length,
      settledUpTo: `${expected.length}`,
    });
    // Another stream does not get into it.
    expect(await simulate(...free, '--trades', '30', '--seed', '2')).toBe(1);
    expect(stderr).toMatch(/holds another message under sequence 1 than this stream has/);
  });

  it('sends a recording on verbatim', async () => {
    const copy = join(folder, 'copy.jsonl');
    expect(await simulate('--from', CLASSIC, '--no-send', '--stream-file', copy)).toBe(undefined);
    expect(await readFile(copy)).toEqual(await readFile(CLASSIC));
    expect(stdout).toMatch(/343 messages generated.*9 DEPOSIT, 172 LOCK, 162 TRADE/);
  });

  it.each([
    [
      ['--no-outbox', '--endpoint', 'tcp://127.0.0.1:0', '--wait-seconds', '0.1'],
      /no peer came to .* nothing was sent/,
    ],
    [['--from', CLASSIC, '--oracle-file', 'oracle.json', '--no-send'], /a recording has no oracle/],
    [['--from', CLASSIC, '--stream-file', CLASSIC, '--no-send'], /would overwrite/],
    [['--from', CLASSIC, '--first-sequence', '5', '--no-send'], /message 1 states no number/],
    [['--from', 'there-is-no-such-file', '--no-send'], /ENOENT.*there-is-no-such-file/],
    [['--users', '0', '--no-send'], /users 0 is not in 1/],
    [['--no-outbox', '--endpoint', 'tcp://256.0.0.1:1'], /cannot bind tcp:\/\/256/],
  ])('ends with exit code 1 and says why: %#', async (flags, reason) => {
    expect(await simulate(...flags)).toBe(1);
    expect(stderr).toMatch(reason);
    expect(stdout).toBe('');
  });

  it('refuses a number that is none', async () => {
    await expect(simulate('--trades', 'many', '--no-send')).rejects.toThrow(/whole number/);
    await expect(simulate('--rate', '0', '--no-send')).rejects.toThrow(/above 0/);
  });
});
