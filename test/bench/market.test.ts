import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Market, type MarketOptions } from '../../bench/stream/market.ts';
import { readSegment, TOPIC_FRAME, writeFunding, writeTrades } from '../../bench/stream/segment.ts';
import { balanceName, type Balance } from '../../src/domain/balance.ts';
import { calculate } from '../../src/domain/calculate.ts';
import type { SettlementEvent, Trade } from '../../src/domain/event.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import { missingBalance } from '../../src/ledger/balance-rows.ts';
import { Oracle } from '../../src/audit/oracle.ts';
import { decodeMessage } from '../../src/wire/decode.ts';

const folder = mkdtempSync(join(tmpdir(), 'settled-market-'));

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const options: fc.Arbitrary<MarketOptions> = fc.record({
  users: fc.integer({ min: 10, max: 60 }),
  shape: fc.constantFrom('uniform', 'skewed', 'hot'),
  seed: fc.nat(),
});
const markets = fc.oneof(
  options,
  options.map((one): MarketOptions => ({ ...one, shape: 'uniform', split: true })),
);

/** All messages of a market with so many trades. */
function messagesOf(market: Market, trades: number): string[] {
  return [...market.funding(), ...Array.from({ length: trades }, () => market.trade())];
}

/** The messages as the product's decoder reads them. */
function decoded(messages: readonly string[]): { event: SettlementEvent; digest: Buffer }[] {
  return messages.map((message) => {
    const frames = [TOPIC_FRAME, Buffer.from(message)];
    const one = decodeMessage(frames, 'numbered', { receivedAtMs: 1, divisorOf: () => 1n });
    if (one.kind === 'rejected') throw new Error(`${one.faults.join('; ')}: ${message}`);
    expect(one.unknownFields).toEqual([]);
    return one;
  });
}

/** The balances to which the product's own rules lead. Refuses a version that does not continue. */
function replayed(events: readonly { event: SettlementEvent; digest: Buffer }[]): Map<string, Balance> {
  const balances = new Map<string, Balance>();
  for (const { event, digest } of events) {
    const legs = legsOf(event);
    const touches = touchesOf(legs);
    const before = touches.map((touch) => balances.get(balanceName(touch)) ?? missingBalance(touch));
    const result = calculate(event, digest, legs, touches, before);
    if (result.kind === 'conflict') throw new Error(`sequence ${event.sequence}: ${result.reason}`);
    for (const [index, touch] of touches.entries()) balances.set(balanceName(touch), result.balances[index]!);
  }
  return balances;
}

function tradesOf(market: Market, count: number): Trade[] {
  return decoded(messagesOf(market, count)).flatMap(({ event }) => (event.kind === 'trade' ? [event] : []));
}

describe("the benchmark's stream", () => {
  it('is numbered without holes, continues every version, and leads where its books say', () => {
    fc.assert(
      fc.property(markets, fc.integer({ min: 0, max: 120 }), (one, trades) => {
        const market = new Market(one);
        const messages = messagesOf(market, trades);
        const events = decoded(messages);
        expect(messages).toHaveLength(market.fundingMessages + trades);
        expect(events.map(({ event }) => Number(event.sequence))).toEqual(
          messages.map((_, index) => index + 1),
        );
        const books = [...market.oracle().balances].map(
          (book) =>
            [`${book.user}/${book.asset}`, `${book.available} ${book.frozen} ${book.version}`] as const,
        );
        const balances = [...replayed(events)].map(
          ([name, { available, frozen, version }]) => [name, `${available} ${frozen} ${version}`] as const,
        );
        expect(new Map(books)).toEqual(new Map(balances));
      }),
      { numRuns: 60 },
    );
  });

  it('has no self-trades, and is the same for the same seed', () => {
    fc.assert(
      fc.property(markets, (one) => {
        const trades = tradesOf(new Market(one), 100);
        expect(trades.filter((trade) => trade.buyerUserId === trade.sellerUserId)).toEqual([]);
        expect(messagesOf(new Market(one), 50)).toEqual(messagesOf(new Market(one), 50));
      }),
      { numRuns: 20 },
    );
  });

  it('counts what it states, in the form that the audit reads', () => {
    const market = new Market({ users: 10, shape: 'uniform', seed: 1 });
    messagesOf(market, 7);
    const oracle = market.oracle();
    expect(oracle.counts).toEqual({ DEPOSIT: 20, LOCK: 20, UNLOCK: 0, WITHDRAW: 0, TRADE: 7 });
    expect(() => new Oracle(oracle as unknown as ConstructorParameters<typeof Oracle>[0])).not.toThrow();
  });

  it('refunds the buyer in about three of ten trades', () => {
    const trades = tradesOf(new Market({ users: 50, shape: 'uniform', seed: 7 }), 3_000);
    const share = trades.filter((trade) => trade.buyerRefund > 0n).length / trades.length;
    expect(share).toBeGreaterThan(0.26);
    expect(share).toBeLessThan(0.34);
  });

  it('puts one account into every trade of a hot market, on either side by turns', () => {
    const trades = tradesOf(new Market({ users: 50, shape: 'hot', seed: 7 }), 200);
    const [first] = trades;
    const hot = first!.buyerUserId;
    expect(trades.map((trade) => trade.buyerUserId === hot)).toEqual(
      trades.map((_, index) => index % 2 === 0),
    );
    expect(trades.every((trade) => [trade.buyerUserId, trade.sellerUserId].includes(hot))).toBe(true);
  });

  it('lets five market makers stand in most trades of a skewed market, and the rest trade by rank', () => {
    const trades = tradesOf(new Market({ users: 200, shape: 'skewed', seed: 7 }), 4_000);
    const rankOf = (user: bigint): number => Number(user) - 1_000;
    const ranks = trades.map(({ buyerUserId, sellerUserId }) => [rankOf(buyerUserId), rankOf(sellerUserId)]);
    expect(ranks.filter((both) => both.some((rank) => rank <= 5)).length / ranks.length).toBeGreaterThan(0.8);
    const seen = (rank: number): number => ranks.flat().filter((one) => one === rank).length;
    expect(seen(10)).toBeGreaterThan(2 * seen(100));
  });

  it('lets half of the users only buy and half only sell where it is split', () => {
    const trades = tradesOf(new Market({ users: 31, shape: 'uniform', seed: 7, split: true }), 400);
    const buyers = new Set(trades.map((trade) => trade.buyerUserId));
    expect(trades.some((trade) => buyers.has(trade.sellerUserId))).toBe(false);
  });
});

describe('a segment', () => {
  it('holds the stream byte for byte, however it is cut', () => {
    const one: MarketOptions = { users: 20, shape: 'uniform', seed: 3 };
    const market = new Market(one);
    const funding = writeFunding(join(folder, 'funding'), market);
    const segments = [
      funding,
      ...[1, 4_000, 0, 999].map((trades, at) => writeTrades(join(folder, `${at}`), market, trades)),
    ];
    const frames = segments.flatMap(({ path }) => Array.from(readSegment(path), String));
    expect(frames).toEqual(messagesOf(new Market(one), 5_000));
    expect(segments.map(({ messages }) => messages)).toEqual([80, 1, 4_000, 0, 999]);
    expect(segments.at(-1)!.lastSequence).toBe(5_080);
    const bytes = segments.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0);
    expect(bytes).toBe(frames.reduce((sum, frame) => sum + frame.length, 0));
    expect(readFileSync(funding.path).length).toBe(funding.payloadBytes + 4 * funding.messages);
  });
});
