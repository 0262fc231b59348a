/**
 * The audit of a damaged stream log, where each sequence up to the watermark has one line and its row (I1b), and of what
 * stands above the watermark, where entries may be still to come (I1a, I7).
 */
import { describe, expect, it } from 'vitest';
import { sequenceBucket } from '../../src/ledger/event-rows.ts';
import { big, DamagedStream, flipped, isOf, isSequence, kindsOf } from './damaged-stream.ts';
import type { Row } from './image.ts';

const bench = new DamagedStream();

describe('the stream log', () => {
  const line = (): Row => bench.pick('stream_log', (row) => row['sequence'] === 12n);

  it('without the line of an event is named', async () => {
    await bench.image.remove('stream_log', isSequence(line()));
    const report = await bench.expectFound('row-without-line');
    expect(report.findings).toMatchObject([{ stream: 'main', sequence: '12' }]);
  });

  it.each([
    ['digest', (row: Row) => flipped(row['digest'])],
    ['id', (row: Row) => big(row, 'id') + 1n],
    ['kind', (row: Row) => (row['kind'] === 'lock' ? 'unlock' : 'lock')],
  ])('whose %s was changed names another event than the row', async (column, value) => {
    await bench.image.change('stream_log', isSequence(line()), (row) => ({ ...row, [column]: value(row) }));
    const report = await bench.expectFound('line-mismatch');
    expect(report.findings).toMatchObject([{ sequence: '12' }]);
  });

  it('with a lease that was never taken is named', async () => {
    await bench.image.change('stream_log', isSequence(line()), (row) => ({ ...row, lease: 7n }));
    const report = await bench.expectFound('line-lease');
    expect(report.findings).toMatchObject([{ sequence: '12' }]);
  });

  it('that ends below the watermark leaves sequences without a line', async () => {
    await bench.image.change(
      'streams',
      () => true,
      (row) => ({ ...row, watermark: bench.settled.watermark + 3n }),
    );
    const report = await bench.expectFound('line-missing');
    expect(report.findings[0]?.detail).toContain(
      `sequences ${bench.settled.watermark + 1n} to ${bench.settled.watermark + 3n} have no line`,
    );
  });

  it('may have a line without a row only where a person dismissed the event', async () => {
    const sequence = bench.settled.watermark + 1n;
    await bench.image.write('stream_log', [
      ...bench.image.rows('stream_log'),
      { ...line(), sequence, bucket: sequenceBucket(sequence) },
    ]);
    await bench.image.change(
      'streams',
      () => true,
      (row) => ({ ...row, watermark: sequence }),
    );
    expect(kindsOf(await bench.check())).toEqual(['line-without-row']);
    // One that was begun is no excuse: the watermark waits for its end.
    await bench.image.write('quarantined_events', [
      { stream: 'main', sequence, decision: 'dismiss', decided_by: 'a person' },
    ]);
    expect(kindsOf(await bench.check())).toEqual(['dismissal-unfinished']);
    await bench.image.write('quarantined_events', [
      { stream: 'main', sequence, decision: 'dismissed', decided_by: 'a person' },
    ]);
    const report = await bench.check();
    expect(report.findings).toEqual([]);
    expect(report.counts).toMatchObject({ quarantined: 1, dismissed: 1 });
  });
});

describe('what is above the watermark', () => {
  const events = 25n;
  const isAbove = (row: Row): boolean => big(row, 'sequence') > bench.settled.watermark - events;

  it('is counted, and may lack its entries', async () => {
    await bench.image.change(
      'streams',
      () => true,
      (row) => ({ ...row, watermark: bench.settled.watermark - events }),
    );
    const whole = await bench.check();
    expect(whole.findings).toEqual([]);
    expect(whole.counts.inFlight).toEqual({
      lines: Number(events),
      events: Number(events),
      entriesToCome: 0,
    });

    const toCome = bench.image.rows('ledger_entries').filter(isAbove).length;
    await bench.image.remove('ledger_entries', isAbove);
    const report = await bench.check();
    expect(report.findings).toEqual([]);
    expect(report.counts.inFlight.entriesToCome).toBe(toCome);
  });

  it('may be a line without its row', async () => {
    const sequence = bench.settled.watermark + 1n;
    const line = bench.pick('stream_log', (row) => row['sequence'] === 12n);
    await bench.image.write('stream_log', [
      ...bench.image.rows('stream_log'),
      { ...line, sequence, bucket: sequenceBucket(sequence) },
    ]);
    const report = await bench.check();
    expect(report.findings).toEqual([]);
    expect(report.counts.inFlight).toMatchObject({ lines: 1, events: 0 });
  });

  it('may not be a row without its line', async () => {
    await bench.image.change(
      'streams',
      () => true,
      (row) => ({ ...row, watermark: bench.settled.watermark - events }),
    );
    await bench.image.remove('stream_log', (row) => row['sequence'] === bench.settled.watermark);
    const report = await bench.expectFound('row-without-line');
    expect(report.findings).toMatchObject([{ sequence: `${bench.settled.watermark}` }]);
  });

  it('leads to its balances all the same', async () => {
    await bench.image.change(
      'streams',
      () => true,
      (row) => ({ ...row, watermark: bench.settled.watermark - events }),
    );
    const entry = bench.pick('ledger_entries', isAbove);
    await bench.image.change('user_balances', isOf(entry), (row) => ({
      ...row,
      available: big(row, 'available') + 1n,
    }));
    expect(kindsOf(await bench.check())).toEqual(['asset-total', 'balance-mismatch']);
    await bench.image.remove('ledger_events', isAbove);
    await bench.image.remove('settled_trades', isAbove);
    expect(kindsOf(await bench.check())).toContain('balance-beyond-entries');
  });
});
