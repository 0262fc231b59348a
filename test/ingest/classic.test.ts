/** The classic adapter: it numbers what an engine did not number, and the engine's trades check it. */
import { beforeEach, describe, expect, test } from 'vitest';
import { contentDigest } from '../../src/domain/digest.ts';
import type { SettlementEvent, Trade } from '../../src/domain/event.ts';
import { ClassicAdapter, type ClassicAdmission } from '../../src/ingest/classic.ts';
import type { BookedBalance } from '../../src/ingest/classic-book.ts';
import { classic, stopOf, trade } from './events.ts';

/** What the database holds: "user/asset" to balance, output_sequence to the digest of a settled trade. */
let stored: Record<string, BookedBalance>;
let settledTrades: Map<bigint, Buffer>;
let reads: string[];

beforeEach(() => {
  stored = {};
  settledTrades = new Map();
  reads = [];
});

function adapter(from: { lastSequence?: bigint; lastTradeNumber?: bigint } = {}) {
  const classicAdapter = new ClassicAdapter({
    lastSequence: from.lastSequence ?? 0n,
    lastTradeNumber: from.lastTradeNumber ?? 0n,
    readBalances: (keys) =>
      Promise.resolve(
        keys.map(({ userId, assetId }) => {
          reads.push(`${userId}/${assetId}`);
          return stored[`${userId}/${assetId}`] ?? { available: 0n, frozen: 0n, version: 0n };
        }),
      ),
    readTradeDigest: ({ outputSequence }) => Promise.resolve(settledTrades.get(outputSequence)),
  });
  const admit = (event: SettlementEvent): Promise<ClassicAdmission> =>
    classicAdapter.admit(event, contentDigest(event));
  const take = async (event: SettlementEvent): Promise<ClassicAdmission> => {
    const admission = await admit(event);
    if (admission.kind === 'next') classicAdapter.accepted(admission.event, contentDigest(event));
    return admission;
  };
  return { adapter: classicAdapter, admit, take };
}

/** Buyer 1 has 100 quote, seller 3 has 100 base, and what a trade of 5 × 4 takes is locked. */
async function funded() {
  const under = adapter();
  await under.take(classic('deposit', 100));
  await under.take(classic('deposit', 100, { userId: 3n, currency: 1 }));
  await under.take(classic('lock', 20));
  await under.take(classic('lock', 5, { userId: 3n, currency: 1 }));
  return under;
}

const TRADE = { buyerQuoteVersion: 2n, sellerBaseVersion: 2n };
const first = (more: Partial<Trade> = {}): Trade => trade(1, { sequence: 0n, ...TRADE, ...more });

describe('the classic adapter', () => {
  test('assigns sequences to all events, and versions to ledger events, in order of arrival', async () => {
    const { adapter: under, take } = adapter({ lastSequence: 10n });
    expect(await take(classic('deposit', 100))).toMatchObject({
      kind: 'next',
      event: { sequence: 11n, version: 0n, versionStated: false, sequenceId: 0n },
    });
    expect(await take(classic('withdraw', 30))).toMatchObject({ event: { sequence: 12n, version: 1n } });
    expect(await take(classic('lock', 70))).toMatchObject({ event: { sequence: 13n, version: 2n } });
    expect(await take(classic('unlock', 70))).toMatchObject({ event: { sequence: 14n, version: 3n } });
    expect(await take(classic('deposit', 1, { userId: 2n }))).toMatchObject({
      event: { sequence: 15n, version: 0n },
    });
    expect(under.received).toBe(15n);
  });

  test('goes on from the balances in the database, and reads each once', async () => {
    stored['1/2'] = { available: 50n, frozen: 7n, version: 31n };
    const { take } = adapter();
    expect(await take(classic('lock', 50))).toMatchObject({ event: { version: 31n } });
    expect(await take(classic('unlock', 57))).toMatchObject({ event: { version: 32n } });
    expect(reads).toEqual(['1/2']);
  });

  test('takes a trade whose versions are those that it assigned, and moves all its balances on', async () => {
    const { take } = await funded();
    expect(await take(first())).toMatchObject({ kind: 'next', event: { sequence: 5n, outputSequence: 1n } });
    expect(await take(classic('withdraw', 80))).toMatchObject({ event: { version: 3n } });
    expect(await take(classic('withdraw', 5, { currency: 1 }))).toMatchObject({ event: { version: 1n } });
    expect(await take(classic('withdraw', 95, { userId: 3n, currency: 1 }))).toMatchObject({
      event: { version: 3n },
    });
    expect(await take(classic('withdraw', 20, { userId: 3n }))).toMatchObject({ event: { version: 1n } });
  });

  test('counts the second step of a leg with a refund', async () => {
    const { take } = await funded();
    await take(classic('lock', 3));
    await take(first({ buyerQuoteVersion: 3n, buyerRefund: 3n }));
    expect(await take(classic('lock', 80))).toMatchObject({ kind: 'next', event: { version: 5n } });
  });

  test('takes a self-trade, whose legs chain', async () => {
    const { take } = adapter();
    await take(classic('deposit', 100));
    await take(classic('deposit', 100, { currency: 1 }));
    await take(classic('lock', 20));
    await take(classic('lock', 5, { currency: 1 }));
    const self = first({
      sellerUserId: 1n,
      buyerBaseVersion: 2n,
      sellerBaseVersion: 3n,
      sellerQuoteVersion: 3n,
    });
    expect((await take(self)).kind).toBe('next');
    expect(await take(classic('withdraw', 100))).toMatchObject({ event: { version: 4n } });
    expect(await take(classic('withdraw', 100, { currency: 1 }))).toMatchObject({ event: { version: 4n } });
  });

  test('tells a lock above the available amount as phantom; it takes no sequence and no version', async () => {
    const { adapter: under, take } = adapter();
    await take(classic('deposit', 100));
    expect(await take(classic('lock', 101))).toEqual({ kind: 'phantom-lock', available: 100n });
    expect(under.received).toBe(1n);
    expect(await take(classic('lock', 100))).toMatchObject({ event: { sequence: 2n, version: 1n } });
    expect(await take(classic('lock', 1))).toEqual({ kind: 'phantom-lock', available: 0n });
  });

  test('tells a lock on a balance that nobody ever funded as phantom', async () => {
    const { take } = adapter();
    expect(await take(classic('lock', 1))).toEqual({ kind: 'phantom-lock', available: 0n });
  });

  test('knows a trade that is announced again, by memory and by its row', async () => {
    const { adapter: under, take } = await funded();
    await take(first());
    expect(await take(first())).toEqual({ kind: 'duplicate' });
    expect(under.received).toBe(5n);

    const old = first({ outputSequence: 4n });
    settledTrades.set(4n, contentDigest(old));
    const later = adapter({ lastSequence: 90n, lastTradeNumber: 9n });
    expect(await later.take(old)).toEqual({ kind: 'duplicate' });
    expect(later.adapter.received).toBe(90n);
  });

  test('stops where another trade comes under a number that was used', async () => {
    const { take, admit } = await funded();
    await take(first());
    expect(await stopOf(() => admit(first({ tradeId: 9n })))).toMatchObject({
      reason: 'other-content',
      sequence: '6',
      expected: '2',
      stated: '1',
    });
  });

  test('stops at a version that does not continue, naming balance, expected and stated', async () => {
    const { admit, adapter: under } = await funded();
    expect(await stopOf(() => admit(first({ sellerBaseVersion: 4n })))).toMatchObject({
      reason: 'version-mismatch',
      sequence: '5',
      event: 'trade 7001 (sequence 5)',
      user: '3',
      asset: 1,
      expected: '2',
      stated: '4',
    });
    expect(under.received).toBe(4n);
    expect((await admit(first())).kind).toBe('next');
  });

  test('stops where trades are missing, naming their numbers', async () => {
    const { admit } = await funded();
    const stop = await stopOf(() => admit(first({ outputSequence: 4n })));
    expect(stop).toMatchObject({ reason: 'hole', sequence: '5', expected: '1', stated: '4' });
    expect(stop.message).toContain('output_sequence 1 to 3 are missing');
  });

  test.each([
    ['a withdrawal above the available amount', classic('withdraw', 101)],
    ['an unlock above the frozen amount', classic('unlock', 1)],
    ['a deposit that leaves 63 bits', classic('deposit', 1, { amount: 2n ** 63n - 1n })],
  ])('stops at %s', async (_what, event) => {
    const { take, admit, adapter: under } = adapter();
    await take(classic('deposit', 100));
    expect(await stopOf(() => admit(event))).toMatchObject({
      reason: 'insufficient-balance',
      sequence: '2',
      user: '1',
      asset: 2,
      expected: '1',
    });
    expect(under.received).toBe(1n);
  });

  test('stops at a trade of which not enough is locked', async () => {
    const { take, admit } = adapter();
    await take(classic('deposit', 100));
    await take(classic('deposit', 100, { userId: 3n, currency: 1 }));
    await take(classic('lock', 19));
    await take(classic('lock', 5, { userId: 3n, currency: 1 }));
    expect(await stopOf(() => admit(first()))).toMatchObject({
      reason: 'insufficient-balance',
      user: '1',
      asset: 2,
    });
  });

  test('lets a failed read out without having taken anything, so that it can be asked again', async () => {
    let away = true;
    const under = new ClassicAdapter({
      lastSequence: 0n,
      lastTradeNumber: 0n,
      readBalances: (keys) =>
        away
          ? Promise.reject(new Error('away'))
          : Promise.resolve(keys.map(() => ({ available: 9n, frozen: 0n, version: 4n }))),
      readTradeDigest: () => Promise.resolve(undefined),
    });
    const event = classic('lock', 9);
    await expect(under.admit(event, contentDigest(event))).rejects.toThrow('away');
    away = false;
    expect(await under.admit(event, contentDigest(event))).toMatchObject({
      kind: 'next',
      event: { version: 4n },
    });
  });
});
