import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  resolveOptions,
  type SimulationOptions,
  SimulationOptionsError,
} from '../../src/simulator/options.ts';
import { writeOracle } from '../../src/simulator/oracle.ts';
import { encoded } from '../../src/simulator/outgoing.ts';
import { events, Simulation } from '../../src/simulator/simulation.ts';
import { Replay } from './replay.ts';

function digest(options: SimulationOptions): string {
  const hash = createHash('sha256');
  for (const { frames } of encoded(events(options))) for (const frame of frames) hash.update(frame);
  return hash.digest('hex');
}

function replay(options: SimulationOptions): { replay: Replay; simulation: Simulation } {
  const simulation = new Simulation(options);
  const reader = new Replay();
  for (const message of simulation.events()) reader.apply(message);
  return { replay: reader, simulation };
}

const anyOptions = fc
  .record(
    {
      seed: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      scenario: fc.constantFrom('three-traders', 'random'),
      trades: fc.integer({ min: 0, max: 400 }),
      users: fc.integer({ min: 1, max: 60 }),
      firstUser: fc.bigInt({ min: 0n, max: 2n ** 63n - 1000n }),
      kind: fc.constantFrom('plain', 'hot', 'zipf'),
    },
    { requiredKeys: ['seed', 'scenario', 'kind'] },
  )
  .map(({ kind, ...options }) => ({ ...options, hot: kind === 'hot', zipf: kind === 'zipf' }));

describe('a simulated stream', () => {
  it('is the same, byte for byte, for the same seed and options, and another for another seed', () => {
    for (const options of [{}, { scenario: 'random', trades: 500, users: 20 }] as SimulationOptions[]) {
      const first = digest({ ...options, seed: 7 });
      expect(digest({ ...options, seed: 7 })).toBe(first);
      expect(digest({ ...options, seed: 8 })).not.toBe(first);
      expect(digest({ ...options, seed: 7 + 2 ** 32 })).not.toBe(first);
    }
  });

  it('never changes its default story unnoticed', () => {
    expect(digest({})).toMatchInlineSnapshot(
      `"c5372c14348a569599e8d45e4fd98ba09c898afd41fe1f1b694cb125fb24017d"`,
    );
  });

  it('leads an independent reader to the balances of its oracle, whatever the seed and scenario', () => {
    fc.assert(
      fc.property(anyOptions, (options) => {
        const { replay: reader, simulation } = replay(options);
        const oracle = simulation.oracle();
        const counts = Object.entries(oracle.counts).filter(([, number]) => number > 0);
        expect(Object.fromEntries(counts)).toEqual(reader.counts);
        expect(oracle.counts.TRADE).toBe(simulation.options.trades);
        const held = new Map<string, object>();
        const sums = new Map<bigint, bigint>();
        for (const { user, asset, ...rest } of oracle.balances) {
          held.set(`${user}/${asset}`, {
            available: BigInt(rest.available),
            frozen: BigInt(rest.frozen),
            version: BigInt(rest.version),
          });
          const sum = BigInt(rest.available) + BigInt(rest.frozen);
          sums.set(BigInt(asset), (sums.get(BigInt(asset)) ?? 0n) + sum);
        }
        expect(held).toEqual(reader.balances);
        expect(sums).toEqual(reader.supply);
        for (const sum of sums.values()) expect(sum < 2n ** 63n).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('shows refunds, self-trades, partial fills, cancels, withdrawals and amounts near 63 bits, at any seed', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { replay: reader } = replay({ seed, scenario: 'random', trades: 3000, users: 50 });
        const { seen, counts } = reader;
        expect(Math.min(seen.selfTrades, seen.buyerRefunds, seen.sellerRefunds)).toBeGreaterThan(10);
        expect([...reader.fills.values()].filter((times) => times > 1).length).toBeGreaterThan(100);
        expect(counts['UNLOCK']).toBeGreaterThan(50);
        expect(counts['WITHDRAW']).toBeGreaterThan(0);
        expect(seen.amountMax > 2n ** 62n).toBe(true);
        expect(seen.balanceMax).toBe(2n ** 63n - 1n);
        expect(seen.idMax > 2n ** 63n - 2n ** 56n).toBe(true);
      }),
      { numRuns: 8 },
    );
  });

  it('has trades of more than 2^53 in price, in quantity and in quote, beside small ones', () => {
    let price = 0n;
    let quantity = 0n;
    let quote = 0n;
    let smallest = 2n ** 63n;
    for (const message of events({ scenario: 'random', trades: 5000, users: 100 })) {
      if (!('trade_id' in message)) continue;
      const cost = message.price * message.quantity;
      if (message.price > price) price = message.price;
      if (message.quantity > quantity) quantity = message.quantity;
      if (cost > quote) quote = cost;
      if (cost < smallest) smallest = cost;
    }
    for (const most of [price, quantity, quote]) expect(most > 2n ** 53n).toBe(true);
    expect(quote > 2n ** 60n).toBe(true);
    expect(smallest < 2n ** 32n).toBe(true);
  });

  it('has between one and one and a half ledger events a trade once all are funded', () => {
    for (const kind of [{}, { hot: true }, { zipf: true }]) {
      const { replay: reader } = replay({ scenario: 'random', trades: 5000, users: 500, ...kind });
      const { TRADE, LOCK, UNLOCK, WITHDRAW } = reader.counts;
      const share = (LOCK! + UNLOCK! + WITHDRAW!) / TRADE!;
      expect(share).toBeGreaterThan(1);
      expect(share).toBeLessThan(1.5);
    }
  });

  it('has its one market maker in every trade when hot, and some users far more than others under zipf', () => {
    for (const message of events({ scenario: 'random', trades: 2000, users: 50, firstUser: 1n, hot: true })) {
      if ('trade_id' in message) expect([message.buyer_user_id, message.seller_user_id]).toContain(1n);
    }
    const orders = new Map<bigint, number>();
    for (const message of events({
      scenario: 'random',
      trades: 5000,
      users: 505,
      firstUser: 1n,
      zipf: true,
    })) {
      if (!('trade_id' in message) && message.event_type === 'LOCK')
        orders.set(message.user_id, (orders.get(message.user_id) ?? 0) + 1);
    }
    // Users 1 to 5 are the makers; the first of the others comes first by Zipf's law.
    expect(orders.get(6n)!).toBeGreaterThan(10 * (orders.get(400n) ?? 0));
  });

  it('is refused with every fault named where the options make no sense', () => {
    const attempt = (): unknown => resolveOptions({ seed: -1, users: 0, hot: true, zipf: true });
    expect(attempt).toThrow(SimulationOptionsError);
    expect(attempt).toThrow(/seed -1.*users 0.*hot and zipf/);
  });
});

describe('the three traders', () => {
  it('make 9 deposits and 136 trades, with cancels, refunds, self-trades and a withdrawal', () => {
    const { replay: reader, simulation } = replay({});
    expect(reader.counts['DEPOSIT']).toBe(9);
    expect(reader.counts['TRADE']).toBe(136);
    expect(reader.counts['UNLOCK']).toBeGreaterThan(0);
    expect(reader.counts['WITHDRAW']).toBeGreaterThan(0);
    expect(reader.seen.selfTrades).toBeGreaterThan(0);
    expect(reader.seen.buyerRefunds).toBeGreaterThan(0);
    expect(reader.seen.sellerRefunds).toBeGreaterThan(0);
    expect([...reader.fills.values()].some((times) => times > 1)).toBe(true);
    const keys = [...simulation.oracle().balances].map(({ user, asset }) => `${user}/${asset}`);
    expect(keys).toEqual(
      ['1001', '1002', '1003'].flatMap((user) => [1, 2, 3].map((asset) => `${user}/${asset}`)),
    );
  });

  it('are funded before the first order, once for each asset, whatever the seed', () => {
    for (let seed = 0; seed < 200; seed++) {
      const { replay: reader } = replay({ seed });
      expect([reader.counts['DEPOSIT'], reader.counts['TRADE']]).toEqual([9, 136]);
    }
  });

  it('trade on for as long as is asked for', () => {
    expect(replay({ trades: 20_000, seed: 5 }).replay.counts['TRADE']).toBe(20_000);
  });
});

describe('an oracle file', () => {
  it('has the form of those beside the recordings', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'settled-')), 'oracle.json');
    const { simulation } = replay({});
    await writeOracle(path, simulation.oracle());
    const written = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    const recorded = JSON.parse(
      readFileSync(new URL('../data/classic-e2e.oracle.json', import.meta.url), 'utf8'),
    ) as Record<string, unknown>;
    expect(Object.keys(written)).toEqual(Object.keys(recorded));
    const [one] = written['balances'] as object[];
    const [other] = recorded['balances'] as object[];
    expect(Object.entries(one!).map(([key, value]) => [key, typeof value])).toEqual(
      Object.entries(other!).map(([key, value]) => [key, typeof value]),
    );
    expect(written['balances']).toEqual([...simulation.oracle().balances]);
  });
});
