/**
 * The audit of damaged balances: each differs from its last entry in one way (I2). Damage carries the write times that
 * settling would have given it, so what finds it are the values alone.
 */
import { describe, expect, it } from 'vitest';
import { big, DamagedStream, flipped, isOf, kindsOf } from './damaged-stream.ts';
import type { Row } from './image.ts';

const bench = new DamagedStream();

describe('a balance', () => {
  it.each(['available', 'frozen'])(
    'whose %s was changed differs from its last entry, and the sums show it',
    async (column) => {
      const balance = bench.busyBalance();
      await bench.image.change('user_balances', isOf(balance), (row) => ({
        ...row,
        [column]: big(row, column) + 1n,
      }));
      const report = await bench.expectFound('balance-mismatch', 'asset-total');
      expect(report.findings.find(({ kind }) => kind === 'balance-mismatch')).toMatchObject({
        user: `${big(balance, 'user_id')}`,
        asset: balance['asset_id'],
        version: `${big(balance, 'version')}`,
        columns: [column],
      });
      expect(report.findings.find(({ kind }) => kind === 'asset-total')).toMatchObject({
        asset: balance['asset_id'],
      });
    },
  );

  it.each([
    ['chain', (row: Row) => flipped(row['chain'])],
    ['last_sequence', (row: Row) => big(row, 'last_sequence') - 1n],
    ['updated_at', (row: Row) => new Date((row['updated_at'] as Date).getTime() + 1)],
  ])('whose %s was changed differs from its last entry', async (column, value) => {
    await bench.image.change('user_balances', isOf(bench.busyBalance()), (row) => ({
      ...row,
      [column]: value(row),
    }));
    const report = await bench.expectFound('balance-mismatch');
    expect(report.findings).toMatchObject([{ columns: [column] }]);
  });

  it('that was moved on has no entry for its version', async () => {
    const balance = bench.busyBalance();
    await bench.image.change('user_balances', isOf(balance), (row) => ({
      ...row,
      version: big(row, 'version') + 1n,
    }));
    const report = await bench.expectFound('balance-beyond-entries');
    expect(report.findings[0]?.detail).toContain(`its last entry is ${big(balance, 'version')}`);
  });

  it('that was moved back has entries beyond it', async () => {
    const balance = bench.busyBalance();
    const before = bench.entryAt(balance, big(balance, 'version') - 1n);
    await bench.image.change('user_balances', isOf(balance), (row) => ({
      ...row,
      version: before['version'],
      available: before['available'],
      frozen: before['frozen'],
      chain: before['chain'],
      last_sequence: before['sequence'],
      updated_at: before['time'],
    }));
    const report = await bench.check();
    expect(kindsOf(report)).toContain('entries-beyond-balance');
    expect(kindsOf(report).filter((kind) => kind !== 'asset-total')).toHaveLength(1);
  });

  it('that was removed leaves its entries alone', async () => {
    const balance = bench.busyBalance();
    await bench.image.remove('user_balances', isOf(balance));
    const report = await bench.expectFound('entries-without-balance', 'asset-total');
    expect(report.findings[1]).toMatchObject({
      user: `${big(balance, 'user_id')}`,
      asset: balance['asset_id'],
    });
  });

  it('that was made up has no entries', async () => {
    const made = { ...bench.busyBalance(), user_id: 5n, available: 0n, frozen: 0n };
    await bench.image.write('user_balances', [...bench.image.rows('user_balances'), made]);
    const report = await bench.expectFound('balance-without-entries');
    expect(report.findings).toMatchObject([{ user: '5' }]);
  });

  it('below zero is named', async () => {
    await bench.image.change('user_balances', isOf(bench.busyBalance()), (row) => ({
      ...row,
      available: -5n,
    }));
    const report = await bench.expectFound('negative-value', 'balance-mismatch', 'asset-total');
    expect(report.findings[0]).toMatchObject({ kind: 'negative-value', columns: ['available'] });
  });

  it('without a cell is named, and not held against its entries', async () => {
    await bench.image.change('user_balances', isOf(bench.busyBalance()), (row) => ({
      ...row,
      chain: undefined,
    }));
    const report = await bench.check();
    expect(kindsOf(report).filter((kind) => kind !== 'asset-total')).toEqual(['cell']);
  });
});
