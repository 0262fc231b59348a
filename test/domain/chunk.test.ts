/**
 * A chunk's rows: the exact way of an event through Temporal, over the whole of 63 bits, and what is none of ours.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LEDGER_COLUMNS,
  parseRow,
  rowOf,
  sequenceOfRow,
  TRADE_COLUMNS,
  type RoutedEvent,
} from '../../src/domain/chunk.ts';
import { contentDigest } from '../../src/domain/digest.ts';
import { INT64_MAX } from '../../src/domain/integers.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import { anyEvent, ledgerEvent, trade } from './events.ts';

/** Any event with any predecessors; none at all travel as an empty list. */
const anyRouted: fc.Arbitrary<RoutedEvent> = anyEvent.chain((event) => {
  const count = touchesOf(legsOf(event)).length;
  const one = fc.option(fc.oneof(fc.bigInt(1n, INT64_MAX), fc.bigInt(1n, 9n)), { nil: undefined });
  return fc.array(one, { minLength: count, maxLength: count }).map((predecessors) => ({
    event,
    predecessors: predecessors.every((each) => each === undefined) ? [] : predecessors,
  }));
});

const kindOf = ({ event }: RoutedEvent): 'trade' | 'ledger' => (event.kind === 'trade' ? 'trade' : 'ledger');

describe('a row', () => {
  it('reads back as the event that it was, with its predecessors and its digest', () => {
    fc.assert(
      fc.property(anyRouted, (routed) => {
        const read = parseRow(kindOf(routed), rowOf(routed));
        expect(read).toEqual(routed);
        expect(contentDigest(read.event)).toEqual(contentDigest(routed.event));
      }),
      { numRuns: 500 },
    );
  });

  it('begins with its sequence, and has a value for each column', () => {
    fc.assert(
      fc.property(anyRouted, (routed) => {
        const row = rowOf(routed);
        const columns = routed.event.kind === 'trade' ? TRADE_COLUMNS : LEDGER_COLUMNS;
        expect(sequenceOfRow(row)).toBe(`${routed.event.sequence}`);
        expect(row.split(' ')).toHaveLength(columns.split(' ').length);
      }),
    );
    expect(sequenceOfRow('12')).toBe('12');
  });

  it('marks what the ingest assigned, and reads well', () => {
    const classic = ledgerEvent('withdraw', 12n, 3n, 5n, {
      sequenceId: 0n,
      versionStated: false,
      stamped: true,
      timeMs: 1_700_000_000_000,
    });
    expect(rowOf({ event: classic, predecessors: [9n] })).toBe(
      '12 withdraw 1001 2 5 3* 1700000000000* 0 0 9',
    );
    expect(rowOf({ event: classic, predecessors: [undefined] })).toMatch(/ 0 0 -$/);
  });
});

describe('a row that is none of ours', () => {
  const ledgerRow = rowOf({ event: ledgerEvent('lock', 12n, 3n, 5n), predecessors: [] });
  const tradeRow = rowOf({ event: trade(13n), predecessors: [1n, undefined, undefined, 2n] });

  it('is refused as a whole, naming it', () => {
    expect(() => parseRow('trade', ledgerRow)).toThrow(/10 columns instead of 21: "12 lock 1001/);
    expect(() => parseRow('ledger', '')).toThrow(/1 columns instead of 10/);
    expect(() => parseRow('ledger', ledgerRow.replace('lock', 'toString'))).toThrow(
      '"toString" is no ledger event',
    );
  });

  it.each([
    ['ledger', 'asset', '2147483648'],
    ['ledger', 'time', '253402300800000'],
    ['ledger', 'time', '5**'],
    ['ledger', 'version', '*'],
    ['ledger', 'amount', '-5'],
    ['ledger', 'user', '9223372036854775808'],
    ['ledger', 'predecessors', '1,,2'],
    ['trade', 'base', '2147483648'],
    ['trade', 'quote', '9007199254740993'],
    ['trade', 'price', '1e3'],
    ['trade', 'predecessors', '1,x'],
  ] as const)('is refused where a %s’s %s is %s, naming column and row', (kind, column, value) => {
    const columns = (kind === 'trade' ? TRADE_COLUMNS : LEDGER_COLUMNS).split(' ');
    const cells = (kind === 'trade' ? tradeRow : ledgerRow).split(' ');
    cells[columns.indexOf(column)] = value;
    const row = cells.join(' ');
    expect(() => parseRow(kind, row)).toThrow(RangeError);
    expect(() => parseRow(kind, row)).toThrow(column);
    expect(() => parseRow(kind, row)).toThrow(`"${row}"`);
  });

  it('never ends otherwise than in an event or a RangeError', () => {
    const mangled = fc
      .tuple(fc.constantFrom(ledgerRow, tradeRow), fc.nat(20), fc.oneof(fc.string(), fc.bigInt().map(String)))
      .map(([row, at, cell]) =>
        row
          .split(' ')
          .with(at % row.split(' ').length, cell)
          .join(' '),
      );
    fc.assert(
      fc.property(fc.oneof(mangled, fc.string()), fc.constantFrom('trade', 'ledger'), (row, kind) => {
        try {
          const { event } = parseRow(kind, row);
          expect(() => contentDigest(event)).not.toThrow();
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
