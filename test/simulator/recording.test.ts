import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encoded, fromSequence, recorded, UnnumberedMessageError } from '../../src/simulator/outgoing.ts';
import {
  LINE_BYTES_MAX,
  readRecording,
  RecordingError,
  recordingLine,
} from '../../src/simulator/recording.ts';
import { events } from '../../src/simulator/simulation.ts';

const CLASSIC = ['classic-e2e', 'classic-phantom-locks'].map((name) =>
  fileURLToPath(new URL(`../data/${name}.jsonl`, import.meta.url)),
);

async function fileOf(content: string | Buffer): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'settled-')), 'recording.jsonl');
  await writeFile(path, content);
  return path;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe('a recording', () => {
  it.each(CLASSIC)(
    'gives the recorded frames verbatim and is written back byte for byte: %#',
    async (path) => {
      const text = await readFile(path, 'utf8');
      const messages = await collect(readRecording(path));
      expect(messages.map(({ frames }) => `${recordingLine(frames)}\n`).join('')).toBe(text);
      const second = JSON.parse(text.split('\n')[1]!) as { data: string };
      expect(messages[1]!.frames[1].equals(Buffer.from(second.data))).toBe(true);
    },
  );

  it.each(CLASSIC)('tells kinds as its oracle counts them, and numbers of trades only: %#', async (path) => {
    const oracle = JSON.parse(await readFile(path.replace('.jsonl', '.oracle.json'), 'utf8')) as {
      counts: Record<string, number>;
    };
    const { 'phantom-lock': phantoms = 0, ...expected } = oracle.counts;
    expected['LOCK'] = (expected['LOCK'] ?? 0) + phantoms;
    const counts: Record<string, number> = {};
    for await (const { kind, sequence } of recorded(path)) {
      counts[kind] = (counts[kind] ?? 0) + 1;
      expect(sequence !== undefined).toBe(kind === 'TRADE');
    }
    expect(counts).toEqual(expected);
  });

  it('keeps any text, also line separators, and messages that span pieces of the file', async () => {
    const texts = fc.sample(fc.string({ unit: 'grapheme' }), 200);
    const frames = ['\u2028\u2029\r\u0085', 'x'.repeat(200_000), '"\\\n', ...texts].map(
      (data) => [Buffer.from('settlement'), Buffer.from(data)] as const,
    );
    const path = await fileOf(frames.map((each) => recordingLine(each)).join('\n'));
    expect((await collect(readRecording(path))).map((message) => message.frames)).toEqual(frames);
  });

  it('keeps raw line separators that stand unescaped in a line', async () => {
    const path = await fileOf('{"topic": "settlement", "data": "a\u2028b"}\r\n\n{"data":"c","topic":""}');
    const messages = await collect(readRecording(path));
    expect(messages.map(({ line, frames }) => [line, String(frames[1])])).toEqual([
      [1, 'a\u2028b'],
      [3, 'c'],
    ]);
  });

  it.each([
    ['nonsense', /line 2: not JSON/],
    ['null', /line 2: not a JSON object/],
    ['{"topic": "settlement"}', /line 2: "data" is not a text/],
    ['{"topic": 1, "data": ""}', /line 2: "topic" is not a text/],
    ['{"topic": "settlement", "data": "\\ud800"}', /line 2: "data" is not well-formed/],
    [`{"topic": "settlement", "data": "${'x'.repeat(LINE_BYTES_MAX)}"}`, /line 2: longer than/],
  ])('names file and line of what is no message: %#', async (line, reason) => {
    const path = await fileOf(`{"topic": "settlement", "data": "{}"}\n${line}\n`);
    const failure = await collect(readRecording(path)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RecordingError);
    expect((failure as RecordingError).message).toMatch(reason);
    expect((failure as RecordingError).file).toBe(path);
  });
});

describe('the tail of a stream', () => {
  it('begins with the number that was asked for', async () => {
    const sequences = (await collect(fromSequence(encoded(events()), 300n))).map(({ sequence }) => sequence);
    expect(sequences[0]).toBe(300n);
    expect(sequences.at(-1)).toBe(299n + BigInt(sequences.length));
  });

  it('cannot be told in a stream that does not number every message', async () => {
    await expect(collect(fromSequence(recorded(CLASSIC[0]!), 3n))).rejects.toThrow(UnnumberedMessageError);
  });
});
