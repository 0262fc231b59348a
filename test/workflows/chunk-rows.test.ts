/**
 * A chunk at its outermost level: what is let in, and how it is cut to what remains.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  compareDecimals,
  faultsOfChunk,
  holds,
  keepRows,
  sequencesOf,
  sizeOf,
} from '../../src/workflows/chunk-rows.ts';
import type { Chunk } from '../../src/workflows/contract.ts';
import { chunkOf, QUICK } from './support.ts';

const mixed: Chunk = {
  ...chunkOf('s', 9, 11),
  trades: { columns: 't', rows: ['10 a', '12 b'] },
  ledgerEvents: { columns: 'l', rows: ['9 c', '100 d'] },
};

describe('the rows of a chunk', () => {
  test('are numbered in order of value over both kinds', () => {
    expect(sequencesOf(mixed)).toEqual(['9', '10', '12', '100']);
    expect(sizeOf(mixed)).toBe(4);
    expect(holds(mixed, '12')).toBe(true);
    expect(holds(mixed, '1')).toBe(false);
  });

  test('are cut to those that remain, under the chunk’s own name', () => {
    const { first, last, trades, ledgerEvents } = keepRows(mixed, ['100', '10', '7']);
    expect([first, last]).toEqual(['9', '11']);
    expect(trades).toEqual({ columns: 't', rows: ['10 a'] });
    expect(ledgerEvents).toEqual({ columns: 'l', rows: ['100 d'] });
  });

  test('compare as numbers do', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
        fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
        (a, b) => {
          expect(Math.sign(compareDecimals(`${a}`, `${b}`))).toBe(a < b ? -1 : a > b ? 1 : 0);
        },
      ),
    );
  });
});

describe('the check of a chunk', () => {
  test('finds nothing in a sound one', () => {
    expect(faultsOfChunk(chunkOf('s', 1, 500), 's', 0)).toBeUndefined();
  });

  test('names limits that are none', () => {
    const limits = { ...QUICK, updatesPerRunMax: 0 };
    expect(faultsOfChunk(chunkOf('s', 1, 1, { limits: { ...limits, updatesPerRunMax: 9 } }), 's', 0)).toBe(
      undefined,
    );
    expect(faultsOfChunk(chunkOf('s', 1, 1, { limits }), 's', 0)).toBe(
      'bad chunk: "0" is no limit updatesPerRunMax',
    );
  });

  test('answers for whatever it is given, and never throws', () => {
    const sound = chunkOf('s', 1, 3);
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(sound)), fc.anything(), (field, value) => {
        const faults = faultsOfChunk({ ...sound, [field]: value }, 's', 0);
        expect(typeof faults === 'string' || faults === undefined).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(faultsOfChunk(value as Chunk, 's', 0)).toMatch(/^bad chunk: /);
      }),
    );
  });
});
