/**
 * What a database is held against from outside: the clock that each cell must have been written at (I3), and the books
 * of the engine.
 */
import { describe, expect, it } from 'vitest';
import { DamagedStream } from './damaged-stream.ts';
import type { SettledStream } from '../support/settled-stream.ts';

const bench = new DamagedStream();

describe('a write at the default clock', () => {
  it.each([
    [
      'user_balances',
      'UPDATE user_balances SET available = ? WHERE user_id = ? AND asset_id = ?',
      ['available', 'user_id', 'asset_id'],
    ],
    [
      'ledger_entries',
      'UPDATE ledger_entries SET step = ? WHERE user_id = ? AND asset_id = ? AND bucket = ? AND version = ?',
      ['step', 'user_id', 'asset_id', 'bucket', 'version'],
    ],
    [
      'settled_trades',
      'UPDATE settled_trades SET settled_by = ? WHERE trade_id = ? AND stream = ? AND output_sequence = ?',
      ['settled_by', 'trade_id', 'stream', 'output_sequence'],
    ],
    [
      'ledger_events',
      'UPDATE ledger_events SET amount = ? WHERE stream = ? AND bucket = ? AND sequence = ?',
      ['amount', 'stream', 'bucket', 'sequence'],
    ],
    [
      'stream_log',
      'UPDATE stream_log SET digest = ? WHERE stream = ? AND bucket = ? AND sequence = ?',
      ['digest', 'stream', 'bucket', 'sequence'],
    ],
    ['streams', 'UPDATE streams SET watermark = ? WHERE stream = ?', ['watermark', 'stream']],
  ] as const)('to %s is found though every value is right', async (table, query, columns) => {
    const row = bench.image.rows(table)[3] ?? bench.image.rows(table)[0] ?? {};
    await bench.image.byHand(
      table,
      query,
      columns.map((column) => row[column]),
    );
    const report = await bench.expectFound('write-time');
    expect(report.findings).toMatchObject([{ table, columns: [columns[0]] }]);
  });
});

describe('the books of the engine', () => {
  const change = (
    edit: (balances: SettledStream['oracle']['balances']) => SettledStream['oracle']['balances'],
  ) => ({
    counts: bench.settled.oracle.counts,
    balances: edit(bench.settled.oracle.balances.map((balance) => ({ ...balance }))),
  });

  it('are held against every balance', async () => {
    expect((await bench.check({ oracle: bench.settled.oracle })).findings).toEqual([]);
    const [first] = bench.settled.oracle.balances;
    const other = change(([one, ...rest]) =>
      one ? [{ ...one, frozen: `${BigInt(one.frozen) + 1n}` }, ...rest] : [],
    );
    const report = await bench.check({ oracle: other });
    expect(report.findings).toMatchObject([
      { kind: 'oracle-mismatch', user: first?.user, asset: first?.asset, columns: ['frozen'] },
    ]);
  });

  it('name balances that are missing or too many here', async () => {
    const report = await bench.check({ oracle: change((balances) => balances.slice(1)) });
    expect(report.findings).toMatchObject([
      { kind: 'oracle-extra', user: bench.settled.oracle.balances[0]?.user },
    ]);
    const more = { user: '9', asset: 1, available: '0', frozen: '0', version: '4' };
    expect((await bench.check({ oracle: change((balances) => [...balances, more]) })).findings).toMatchObject(
      [{ kind: 'oracle-missing', user: '9', asset: 1 }],
    );
  });

  it('are held against the counts, and against the rejected messages by reason', async () => {
    const { TRADE = 0 } = bench.settled.oracle.counts;
    const counts = { ...bench.settled.oracle.counts, TRADE: TRADE + 1, 'phantom-lock': 2 };
    const report = await bench.check({ oracle: { ...bench.settled.oracle, counts } });
    expect(report.findings).toMatchObject([
      { kind: 'oracle-count', detail: `TRADE: ${TRADE} here, the engine counts ${TRADE + 1}` },
      { kind: 'oracle-count', detail: 'rejected: phantom-lock: 0 here, the engine counts 2' },
    ]);
    const earlier = { ...bench.settled.oracle.counts, TRADE: TRADE - 1 };
    expect(
      (await bench.check({ oracle: { ...bench.settled.oracle, counts: earlier } })).findings,
    ).toMatchObject([
      {
        detail: `TRADE: ${TRADE} here, the engine counts ${TRADE - 1}: is its book of an earlier moment?`,
      },
    ]);
  });
});
