/** What lets a run end its stream where it likes: up to there the stream is what it would have been without an end. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Simulation } from '../../src/simulator/simulation.ts';
import { keepBooks, tradesBeyond } from './books.ts';

const ENDLESS_TRADES = 1_000_000_000;

test('a stream that ends beyond a number is the endless one as far as that number, and goes beyond it', () => {
  fc.assert(
    fc.property(fc.nat(1_000), fc.integer({ min: 3, max: 40 }), fc.nat(2_000), (seed, users, published) => {
      const stream = { scenario: 'random', seed, users } as const;
      const trades = tradesBeyond(BigInt(published), stream);
      const events = [...new Simulation({ ...stream, trades }).events()];
      expect(events.length).toBeGreaterThan(published);
      const endless = new Simulation({ ...stream, trades: ENDLESS_TRADES }).events();
      for (const event of events.slice(0, published)) expect(endless.next().value).toEqual(event);
    }),
    { numRuns: 30 },
  );
});

test('books name every event, count what entries it makes, and come with an oracle', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'settled-books-'));
  try {
    const path = join(folder, 'oracle.json');
    const books = await keepBooks({ scenario: 'random', seed: 3, users: 10, trades: 50 }, path);
    expect(books.trades).toBe(50);
    expect(books.nameOf).toHaveLength(books.events + 1);
    expect(books.nameOf[1]).toBe('deposit 1');
    expect(books.nameOf.filter((name) => name.startsWith('trade '))).toHaveLength(50);
    expect([...new Set(books.entriesOf)].toSorted((a, b) => a - b)).toEqual([0, 1, 4, 5, 6]);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toBeTypeOf('object');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
