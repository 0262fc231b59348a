/**
 * The audit of damaged event rows: what the engine stated has a digest, the legs follow from it (I1), ids and sequences
 * are used once, and the row leads back to its run (I11).
 */
import { describe, expect, it } from 'vitest';
import { contentDigest } from '../../src/domain/digest.ts';
import { sequenceBucket, tradeOf } from '../../src/ledger/event-rows.ts';
import { big, DamagedStream, flipped, isOf, isSequence, kindsOf } from './damaged-stream.ts';
import { forgeLock } from './forged-lock.ts';
import type { Row } from './image.ts';

const bench = new DamagedStream();

describe("an event's row", () => {
  const trade = (): Row => bench.image.rows('settled_trades')[20] ?? {};
  const deposit = (): Row => bench.pick('ledger_events', (row) => row['kind'] === 'deposit');

  it('that was removed is missed by its line and by each of its entries', async () => {
    await bench.image.remove('settled_trades', isSequence(trade()));
    const report = await bench.expectFound('line-without-row', 'entry-without-event');
    const own = bench.image.rows('ledger_entries').filter(isSequence(trade()));
    expect(report.findings).toHaveLength(own.length + 1);
    expect(report.findings.every(({ sequence }) => sequence === `${big(trade(), 'sequence')}`)).toBe(true);
  });

  it.each(['buy_order_id', 'price', 'buyer_user_id', 'match_seq', 'seller_quote_version'])(
    'whose %s was changed no longer gives its digest',
    async (column) => {
      await bench.image.change('settled_trades', isSequence(trade()), (row) => ({
        ...row,
        [column]: big(row, column) + 1n,
      }));
      const report = await bench.check();
      expect(report.findings.find(({ kind }) => kind === 'event-digest')).toMatchObject({
        trade: `${big(trade(), 'trade_id')}`,
        sequence: `${big(trade(), 'sequence')}`,
      });
      // A price may also contradict the quote amount.
      expect(kindsOf(report).filter((kind) => kind !== 'cell')).toEqual(['event-digest']);
    },
  );

  it('whose digest was changed says so', async () => {
    await bench.image.change('ledger_events', isSequence(deposit()), (row) => ({
      ...row,
      digest: flipped(row['digest']),
    }));
    const report = await bench.expectFound('event-digest');
    expect(report.findings).toMatchObject([
      { table: 'ledger_events', sequence: `${big(deposit(), 'sequence')}` },
    ]);
  });

  it.each([
    // [["VERSION","CHAIN",["AVAILABLE","FROZEN","CHAIN"], …], …]
    ['a value', (cell: string) => cell.replace(/,\["(\d+)"/, ',["1$1"')],
    ['a version', (cell: string) => cell.replace(/^\[\["(\d+)"/, '[["1$1"')],
    ['a chain value', (cell: string) => cell.replace(/("[\w-]{40})([\w-]{3}")/, '$1zzz"')],
    ['the end of a chain value', (cell: string) => cell.replace(/(?<="[\w-]{42})[\w-](?=")/, otherLastBits)],
    ['a step', (cell: string) => cell.replace(/\],\[/, '],[["1","1","x"],')],
    ['its form', (cell: string) => `${cell} `],
    ['its end', (cell: string) => cell.slice(0, -1)],
    ['everything', () => 'null'],
  ])('of whose legs %s was changed does not follow from the event', async (_, change) => {
    await bench.image.change('settled_trades', isSequence(trade()), (row) => ({
      ...row,
      legs: change(row['legs'] as string),
    }));
    const report = await bench.expectFound('event-legs');
    expect(report.findings).toMatchObject([{ trade: `${big(trade(), 'trade_id')}` }]);
  });

  it.each([
    ['settled_by', '{}'],
    ['trade_date', 20_010_101],
    ['quote_amount', 0n],
  ])('with a %s that no row of ours holds is named', async (column, value) => {
    await bench.image.change('settled_trades', isSequence(trade()), (row) => ({ ...row, [column]: value }));
    const report = await bench.check();
    expect(report.findings[0]).toMatchObject({ kind: 'cell', columns: [column] });
  });

  it('of a kind that is none is named, and not taken for another', async () => {
    await bench.image.change('ledger_events', isSequence(deposit()), (row) => ({ ...row, kind: 'trade' }));
    const report = await bench.check();
    expect(report.findings[0]).toMatchObject({ kind: 'cell', columns: ['kind'] });
    expect(kindsOf(report)).toEqual(['asset-total', 'cell']);
  });

  it('whose amount was raised everywhere but in the log is given away by its line', async () => {
    const lock = bench.pick('ledger_events', (row) => {
      const balance = bench.image
        .rows('user_balances')
        .find((one) => isOf({ user_id: row['user_id'], asset_id: row['currency'] })(one));
      return (
        row['kind'] === 'lock' &&
        balance !== undefined &&
        balance['last_sequence'] === row['sequence'] &&
        big(balance, 'available') > 1n
      );
    });
    const forged = await forgeLock(bench.image, lock);
    const report = await bench.expectFound('line-mismatch');
    expect(report.findings).toMatchObject([{ sequence: `${big(forged, 'sequence')}` }]);
  });

  it('under an id that was used twice is named with both places', async () => {
    const [one, other] = bench.image.rows('settled_trades');
    if (!one || !other) throw new Error('too few trades');
    await bench.image.change('settled_trades', isSequence(other), (row) => ({
      ...row,
      trade_id: one['trade_id'],
    }));
    const report = await bench.check();
    const twice = report.findings.find(({ kind }) => kind === 'trade-id-twice');
    expect(twice).toMatchObject({ trade: `${big(one, 'trade_id')}` });
    expect(twice?.detail).toContain(`sequence ${big(one, 'sequence')}`);
    expect(twice?.detail).toContain(`sequence ${big(other, 'sequence')}`);
  });

  it('under a sequence that another event has is named, and so is the version that both brought', async () => {
    const row = { ...deposit(), sequence: trade()['sequence'] };
    const bucket = sequenceBucket(big(row, 'sequence'));
    await bench.image.write('ledger_events', [...bench.image.rows('ledger_events'), { ...row, bucket }]);
    const report = await bench.expectFound('sequence-twice', 'version-twice', 'asset-total');
    expect(report.findings.find(({ kind }) => kind === 'sequence-twice')?.sequence).toBe(
      `${big(row, 'sequence')}`,
    );
  });

  it('of a stream that is not recorded is named', async () => {
    await bench.image.change('settled_trades', isSequence(trade()), (row) => ({
      ...row,
      stream: 'unheard-of',
    }));
    expect(kindsOf(await bench.check())).toEqual(['entry-mismatch', 'line-without-row', 'stream-unknown']);
  });
});

describe('the image that tests damage', () => {
  it('reads back as the events it was taken of', () => {
    const trade = bench.image.rows('settled_trades')[0] ?? {};
    expect(contentDigest(tradeOf(trade as never))).toEqual(trade['digest']);
  });
});

/** The last of 43 base64url characters with another of its two bits that stand for nothing. */
function otherLastBits(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(character) ^ 1] ?? '';
}
