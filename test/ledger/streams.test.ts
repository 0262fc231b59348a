/**
 * What is recorded of streams, on the real Cassandra: partitions and dialect (I10), watermark (I7), leases, the intake's
 * lines, and what was refused or set aside.
 */
import type { Client } from 'cassandra-driver';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { INT64_MAX } from '../../src/domain/integers.ts';
import { readLease, takeLease } from '../../src/ledger/leases.ts';
import { readQuarantined, writeQuarantined, type QuarantinedEvent } from '../../src/ledger/quarantine.ts';
import { readRejected, writeRejected, type RejectedMessage } from '../../src/ledger/rejected.ts';
import {
  highestLineAbove,
  LINES_PER_WRITE_MAX,
  linesAbove,
  linesDown,
  readLine,
  writeLines,
  type StreamLine,
} from '../../src/ledger/stream-log.ts';
import {
  openStream,
  readStream,
  readStreams,
  readWatermark,
  StreamMismatchError,
  writeStopped,
  writeWatermark,
} from '../../src/ledger/streams.ts';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let client: Client;
beforeAll(async () => {
  database = await freshKeyspace();
  client = database.client;
});
afterAll(() => database.drop());

describe('a stream', () => {
  test('is recorded at its first opening, and found again', async () => {
    expect(await readStream(client, 'one')).toBeUndefined();
    const record = { stream: 'one', partitions: 16, dialect: 'numbered', watermark: 0n };
    expect(await openStream(client, 'one', 16, 'numbered')).toEqual(record);
    await writeWatermark(client, 'one', 7n);
    expect(await openStream(client, 'one', 16, 'numbered')).toEqual({ ...record, watermark: 7n });
    expect(await readStreams(client)).toContainEqual({ ...record, watermark: 7n });
  });

  test('refuses another number of partitions, and another dialect, saying what to set', async () => {
    await openStream(client, 'two', 16, 'numbered');
    await expect(openStream(client, 'two', 8, 'numbered')).rejects.toThrow(StreamMismatchError);
    await expect(openStream(client, 'two', 8, 'numbered')).rejects.toThrow(
      'stream two has 16 partitions in the database, this process is configured for 8: set SETTLED_PARTITIONS=16',
    );
    await expect(openStream(client, 'two', 16, 'classic')).rejects.toThrow(
      'stream two is recorded as numbered, this ingest was started for a classic stream: start it without --classic',
    );
    expect(await readStream(client, 'two')).toMatchObject({ partitions: 16, dialect: 'numbered' });
  });

  test('opened by two at once in different ways is one of them, and the other is refused', async () => {
    const endings = await Promise.allSettled([
      openStream(client, 'three', 4, 'numbered'),
      openStream(client, 'three', 8, 'numbered'),
    ]);
    expect(endings.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  test('has a watermark that never goes back, up to the end of 63 bits', async () => {
    expect(await readWatermark(client, 'four')).toBe(0n);
    await openStream(client, 'four', 4, 'numbered');
    await writeWatermark(client, 'four', 12n);
    await writeWatermark(client, 'four', 9n);
    expect(await readWatermark(client, 'four')).toBe(12n);
    await writeWatermark(client, 'four', 12n);
    await Promise.all([20n, 18n, 19n].map((watermark) => writeWatermark(client, 'four', watermark)));
    expect(await readWatermark(client, 'four')).toBe(20n);
    await writeWatermark(client, 'four', INT64_MAX);
    await writeWatermark(client, 'four', 21n);
    expect(await readWatermark(client, 'four')).toBe(INT64_MAX);
  });

  test('keeps why it stopped, until it runs again', async () => {
    await openStream(client, 'five', 4, 'classic');
    await writeStopped(client, 'five', '{"reason":"hole"}');
    expect(await readStream(client, 'five')).toMatchObject({ stopped: '{"reason":"hole"}' });
    await writeStopped(client, 'five', '');
    expect(await readStream(client, 'five')).not.toHaveProperty('stopped');
  });
});

describe('leases', () => {
  test('are counted on, each number given once, however many take them at once', async () => {
    expect(await readLease(client, 'leased')).toBe(0n);
    const takers = Array.from({ length: 5 }, async (_, taker) => {
      const taken: bigint[] = [];
      for (let round = 0; round < 3; round += 1)
        taken.push(await takeLease(client, 'leased', `taker ${taker}`));
      return taken;
    });
    const taken = await Promise.all(takers);
    for (const own of taken) expect(own).toEqual(own.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(new Set(taken.flat()).size).toBe(15);
    expect(await readLease(client, 'leased')).toBe(taken.flat().reduce((a, b) => (a > b ? a : b)));
    expect(await takeLease(client, 'other', 'me')).toBe(1n);
  });
});

describe('the stream log', () => {
  const line = (sequence: bigint): StreamLine => ({
    sequence,
    kind: sequence % 2n === 0n ? 'trade' : 'deposit',
    id: INT64_MAX - sequence,
    digest: Buffer.alloc(32, Number(sequence % 251n)),
    lease: 3n,
  });

  async function write(stream: string, from: bigint, to: bigint): Promise<void> {
    let lines: StreamLine[] = [];
    const flush = async (): Promise<void> => {
      if (lines.length > 0) await writeLines(client, stream, lines);
      lines = [];
    };
    for (let sequence = from; sequence <= to; sequence += 1n) {
      if (lines.length === LINES_PER_WRITE_MAX || sequence % 10_000n === 0n) await flush();
      lines.push(line(sequence));
    }
    await flush();
  }

  async function sequences(lines: AsyncIterable<StreamLine>, max = 100_000): Promise<bigint[]> {
    const found: bigint[] = [];
    for await (const { sequence } of lines) if (found.push(sequence) >= max) break;
    return found;
  }

  const upward = (from: bigint, to: bigint): bigint[] =>
    Array.from({ length: Number(to - from) + 1 }, (_, at) => from + BigInt(at));

  beforeAll(async () => {
    await write('log', 9_900n, 20_100n);
  });

  test('gives a line back as it was written', async () => {
    for (const sequence of [9_999n, 10_000n, 10_001n, 19_999n, 20_000n])
      expect(await readLine(client, 'log', sequence)).toEqual(line(sequence));
    expect(await readLine(client, 'log', 20_101n)).toBeUndefined();
    expect(await readLine(client, 'other', 10_000n)).toBeUndefined();
  });

  test.each([9_950n, 9_998n, 9_999n, 10_000n, 10_001n, 19_998n, 19_999n, 20_000n, 20_099n])(
    'reads on above %d, over the borders of buckets',
    async (above) => {
      expect(await sequences(linesAbove(client, 'log', above))).toEqual(upward(above + 1n, 20_100n));
      expect((await highestLineAbove(client, 'log', above))?.sequence).toBe(20_100n);
    },
  );

  test('ends where nothing follows', async () => {
    for (const above of [20_100n, 29_999n, 500_000n]) {
      expect(await sequences(linesAbove(client, 'log', above))).toEqual([]);
      expect(await highestLineAbove(client, 'log', above)).toBeUndefined();
    }
  });

  test.each([10_000n, 10_001n, 19_999n, 20_000n, 20_100n, 35_000n])('reads down from %d', async (from) => {
    const last = from > 20_100n ? 20_100n : from;
    const found = await sequences(linesDown(client, 'log', from), 150);
    expect(found).toEqual(upward(last - 149n > 9_900n ? last - 149n : 9_900n, last).toReversed());
  });

  test('reads down to the very first line, and no further', async () => {
    await write('short', 1n, 3n);
    expect(await sequences(linesDown(client, 'short', 3n))).toEqual([3n, 2n, 1n]);
    expect(await sequences(linesDown(client, 'short', 0n))).toEqual([]);
    expect(await sequences(linesDown(client, 'log', 10_050n))).toEqual(upward(9_900n, 10_050n).toReversed());
  });

  test('finds lines beyond a border even where those before it were lost with their writer', async () => {
    // Lines of two buckets are two writes, under way together: the second may be there without the first.
    await write('torn', 10_000n, 10_020n);
    expect(await sequences(linesAbove(client, 'torn', 9_990n))).toEqual(upward(10_000n, 10_020n));
    expect((await highestLineAbove(client, 'torn', 9_990n))?.sequence).toBe(10_020n);
  });

  test('keeps a line that is written again, late, as it is', async () => {
    await write('again', 1n, 1n);
    await write('again', 1n, 1n);
    const result = await client.execute(
      `SELECT WRITETIME(digest) AS written FROM stream_log WHERE stream = 'again' AND bucket = 0 AND sequence = 1`,
    );
    expect(result.first()['written']).toBe(1n);
  });
});

describe('a message that was refused', () => {
  test('is kept byte for byte, with or without a sequence, and found under its stream', async () => {
    const message: RejectedMessage = {
      stream: 'refusing',
      receivedAtMs: 1_700_000_000_123,
      lease: 2n,
      arrival: 5n,
      reason: 'out-of-range',
      faults: ['price: 0', 'ü "quoted"'],
      afterSequence: 41n,
      frames: [Buffer.from('settlement'), Buffer.from([0, 255, 254, 10]), Buffer.alloc(0)],
    };
    const numbered = { ...message, arrival: 6n, sequence: INT64_MAX };
    await writeRejected(client, message);
    await writeRejected(client, message);
    await writeRejected(client, numbered);
    await writeRejected(client, { ...message, stream: 'another' });
    const found: RejectedMessage[] = [];
    for await (const one of readRejected(client, 'refusing')) found.push(one);
    expect(found).toEqual([message, numbered]);
  });
});

describe('a quarantined event', () => {
  test('is kept as it was found, the newest finding standing, ordered by sequence', async () => {
    const event: QuarantinedEvent = {
      stream: 'halting',
      sequence: 12n,
      partition: 3,
      kind: 'trade',
      id: INT64_MAX,
      reason: 'version-taken',
      userId: INT64_MAX,
      assetId: 2_147_483_647,
      expected: INT64_MAX,
      found: 0n,
      foundAtMs: 1_700_000_000_123,
      row: '12 7 …',
    };
    const newer = { ...event, reason: 'gap', found: 4n } as const;
    const earlier = { ...event, sequence: 2n, kind: 'lock' } as const;
    for (const one of [event, newer, earlier]) await writeQuarantined(client, one);
    await writeQuarantined(client, { ...event, stream: 'another' });
    expect(await readQuarantined(client, 'halting')).toEqual([earlier, newer]);
  });
});
