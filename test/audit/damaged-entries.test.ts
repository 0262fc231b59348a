/**
 * The audit of damaged ledger entries: they follow from event rows alone (I1a), one for each version, chained. Damage
 * carries the write times that settling would have given it, so what finds it are the values alone.
 */
import { describe, expect, it } from 'vitest';
import { big, DamagedStream, flipped, isAt, isSequence, kindsOf } from './damaged-stream.ts';
import type { Row } from './image.ts';

const bench = new DamagedStream();

describe('a ledger entry', () => {
  it.each([
    ['available', (row: Row) => big(row, 'available') + 1n],
    ['frozen_change', (row: Row) => big(row, 'frozen_change') - 1n],
    ['step', () => 'receive'],
    ['event_kind', (row: Row) => (row['event_kind'] === 'trade' ? 'lock' : 'trade')],
    ['event_id', (row: Row) => big(row, 'event_id') + 1n],
    ['sequence', (row: Row) => big(row, 'sequence') + 1_000_000n],
    ['stream', () => 'another'],
    ['time', (row: Row) => new Date((row['time'] as Date).getTime() + 60_000)],
  ])("whose %s was changed says something else than its event's row", async (column, value) => {
    const entry = bench.entryAt(bench.busyBalance(), 3n);
    await bench.image.change('ledger_entries', isAt(entry), (row) => ({ ...row, [column]: value(row) }));
    const report = await bench.check();
    expect(kindsOf(report).filter((kind) => kind !== 'stream-unknown')).toEqual(['entry-mismatch']);
    expect(report.findings.at(-1)).toMatchObject({
      kind: 'entry-mismatch',
      user: `${big(entry, 'user_id')}`,
      version: '3',
      columns: [column],
    });
  });

  it('whose chain value was changed breaks the chain there', async () => {
    const entry = bench.entryAt(bench.busyBalance(), 4n);
    await bench.image.change('ledger_entries', isAt(entry), (row) => ({
      ...row,
      chain: flipped(row['chain']),
    }));
    const report = await bench.expectFound('chain-broken');
    expect(report.findings).toMatchObject([{ version: '4', asset: entry['asset_id'] }]);
  });

  it.each(['in the middle', 'at the end'])('that was removed %s is missing', async (where) => {
    const balance = bench.busyBalance();
    const version = where === 'at the end' ? big(balance, 'version') : 2n;
    await bench.image.remove('ledger_entries', isAt({ ...balance, version }));
    const report = await bench.expectFound('entry-missing');
    expect(report.findings).toMatchObject([{ user: `${big(balance, 'user_id')}`, version: `${version}` }]);
  });

  it('that was made up has no event', async () => {
    const balance = bench.busyBalance();
    const last = bench.entryAt(balance, big(balance, 'version'));
    const made = { ...last, version: big(last, 'version') + 1n };
    await bench.image.write('ledger_entries', [...bench.image.rows('ledger_entries'), made]);
    const report = await bench.expectFound('entry-without-event');
    expect(report.findings).toMatchObject([{ version: `${made.version}` }]);
  });

  it('that is removed with its event and line leaves a gap in the versions', async () => {
    const lock = bench.pick(
      'ledger_events',
      (row) =>
        row['kind'] === 'lock' &&
        bench.image
          .rows('user_balances')
          .some(
            (one) =>
              big(one, 'version') > big(row, 'version') + 1n &&
              one['user_id'] === row['user_id'] &&
              one['asset_id'] === row['currency'],
          ),
    );
    for (const table of ['ledger_events', 'stream_log', 'ledger_entries'] as const)
      await bench.image.remove(table, isSequence(lock));
    const report = await bench.expectFound('version-gap', 'line-missing');
    expect(report.findings).toMatchObject([
      { kind: 'version-gap', user: `${big(lock, 'user_id')}`, version: `${big(lock, 'version') + 2n}` },
      { kind: 'line-missing', sequence: `${big(lock, 'sequence')}` },
    ]);
  });
});
