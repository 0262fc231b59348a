/**
 * Damage at random: whatever single cell of a settled database is changed or missing, the audit finds it. The write
 * times are those of settling, so that only the values can give it away. `SETTLED_TEST_SEED` draws other damage.
 */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/simulator/random.ts';
import { DamagedStream, flipped } from './damaged-stream.ts';
import type { ImageTable, Row } from './image.ts';

const bench = new DamagedStream();
const SEED = Number(process.env['SETTLED_TEST_SEED'] ?? 1);
const DAMAGES = 40;

const KEYS: Partial<Record<ImageTable, readonly string[]>> = {
  user_balances: ['user_id', 'asset_id'],
  ledger_entries: ['user_id', 'asset_id', 'bucket', 'version'],
  settled_trades: ['trade_id', 'stream', 'output_sequence'],
  ledger_events: ['stream', 'bucket', 'sequence'],
  stream_log: ['stream', 'bucket', 'sequence'],
};
const WORDS: Readonly<Record<string, readonly string[]>> = {
  kind: ['trade', 'deposit', 'withdraw', 'lock', 'unlock'],
  event_kind: ['trade', 'deposit', 'withdraw', 'lock', 'unlock'],
  step: ['deposit', 'withdraw', 'lock', 'unlock', 'spend', 'refund', 'receive'],
  stream: ['main2', 'other'],
};

/** Another value of the same type, as like the old one as may be. */
function otherValue(random: Random, column: string, value: unknown): unknown {
  if (typeof value === 'bigint')
    return random.below(2) === 0 ? value + 1n : value ^ (1n << BigInt(random.below(62)));
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  if (value instanceof Date) return new Date(value.getTime() + 1 + random.below(1_000));
  if (Buffer.isBuffer(value)) return flipped(value);
  const words = WORDS[column]?.filter((word) => word !== value);
  if (words) return words[random.below(words.length)];
  // JSON: a digit becomes another; in settled_by, which nothing else repeats, the form itself is broken.
  const text = String(value);
  if (column === 'settled_by') return text.slice(0, -1);
  const digits = [...text.matchAll(/\d/g)];
  const at = digits[random.below(digits.length)]?.index ?? 0;
  return `${text.slice(0, at)}${(Number(text[at]) + 1) % 10}${text.slice(at + 1)}`;
}

describe('damage to any single cell', () => {
  it.each(Array.from({ length: DAMAGES }, (_, at) => SEED * 1_000 + at))(
    'is found (seed %i)',
    async (seed) => {
      const random = new Random(seed);
      const tables = Object.keys(KEYS) as ImageTable[];
      const table = tables[seed % tables.length] ?? 'user_balances';
      const rows = bench.image.rows(table);
      const at = random.below(rows.length);
      const row: Row = rows[at] ?? {};
      const columns = Object.keys(row).filter((column) => !KEYS[table]?.includes(column));
      const column = columns[random.below(columns.length)] ?? '';
      const value = random.below(8) === 0 ? undefined : otherValue(random, column, row[column]);
      rows[at] = { ...row, [column]: value };
      await bench.image.write(table, rows);
      const report = await bench.check();
      const damage = `${table}.${column}: ${String(row[column])} became ${String(value)}`;
      expect(report.ok, damage).toBe(false);
      expect(report.findings, damage).not.toEqual([]);
    },
  );

  it('leaves nothing to be found once it is repaired', async () => {
    expect((await bench.check()).findings).toEqual([]);
  });
});
