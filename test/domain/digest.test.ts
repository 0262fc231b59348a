/**
 * The digest against vectors that were computed apart from this code (Python's struct and hashlib), and what is and
 * is not part of it. The format is stored for as long as a stream log lives: these vectors never change.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { contentBytes, contentDigest } from '../../src/domain/digest.ts';
import type { LedgerEvent, Trade } from '../../src/domain/event.ts';
import { decodeMessage } from '../../src/wire/decode.ts';
import type { Dialect } from '../../src/wire/message.ts';

interface Vector {
  readonly name: string;
  readonly dialect: Dialect;
  readonly message: string;
  readonly bytes: string;
  readonly sha256: string;
}

const vectors = JSON.parse(
  readFileSync(new URL('../data/digest-vectors.json', import.meta.url), 'utf8'),
) as Vector[];

const deposit: LedgerEvent = {
  kind: 'deposit',
  sequence: 5n,
  timeMs: 1_000,
  stamped: false,
  userId: 1n,
  sequenceId: 5n,
  amount: 10n,
  currency: 2,
  relatedId: 3n,
  version: 4n,
  versionStated: true,
};

const trade: Trade = {
  kind: 'trade',
  sequence: 9n,
  timeMs: 1_000,
  stamped: false,
  tradeId: 1n,
  buyOrderId: 2n,
  sellOrderId: 3n,
  buyerUserId: 4n,
  sellerUserId: 5n,
  price: 6n,
  quantity: 7n,
  baseAsset: 8,
  quoteAsset: 10,
  buyerRefund: 11n,
  sellerRefund: 12n,
  matchSeq: 13n,
  outputSequence: 9n,
  quoteAmount: 42n,
  buyerQuoteVersion: 14n,
  buyerBaseVersion: 15n,
  sellerBaseVersion: 16n,
  sellerQuoteVersion: 17n,
};

describe('the content digest', () => {
  it.each(vectors)('agrees with the vector: $name', ({ dialect, message, bytes, sha256 }) => {
    const context = { receivedAtMs: 123_456_789, divisorOf: () => 1n };
    const decoded = decodeMessage([Buffer.from('settlement'), Buffer.from(message)], dialect, context);
    if (decoded.kind !== 'event') throw new Error(decoded.faults.join('; '));
    expect(contentBytes(decoded.event).toString('hex')).toBe(bytes);
    expect(contentDigest(decoded.event).toString('hex')).toBe(sha256);
    expect(decoded.digest.toString('hex')).toBe(sha256);
  });

  it('is the same whatever sequence, version, stamp and quote amount the ingest gave', () => {
    const classic = { ...deposit, sequence: 0n, version: 0n, versionStated: false, stamped: true };
    expect(contentDigest({ ...classic, sequence: 77n, version: 6n, timeMs: 99 })).toEqual(
      contentDigest(classic),
    );
    expect(contentDigest({ ...trade, sequence: 1n, quoteAmount: 1n })).toEqual(contentDigest(trade));
  });

  it('differs with each field of a trade that the engine stated', () => {
    const own = new Set(['kind', 'sequence', 'stamped', 'quoteAmount']);
    const digests = new Set([contentDigest(trade).toString('hex')]);
    const names = Object.keys(trade).filter((name) => !own.has(name));
    expect(names).toHaveLength(18);
    for (const name of names) {
      const value = trade[name as keyof Trade];
      const other = typeof value === 'bigint' ? value + 100n : Number(value) + 100;
      digests.add(contentDigest({ ...trade, [name]: other }).toString('hex'));
    }
    expect(digests.size).toBe(19);
  });

  it('differs with each field of a ledger event that the engine stated', () => {
    const variants: LedgerEvent[] = [
      deposit,
      { ...deposit, kind: 'withdraw' },
      { ...deposit, kind: 'lock' },
      { ...deposit, kind: 'unlock' },
      { ...deposit, userId: 100n },
      { ...deposit, sequenceId: 100n },
      { ...deposit, amount: 100n },
      { ...deposit, currency: 100 },
      { ...deposit, relatedId: 100n },
      { ...deposit, timeMs: 100 },
      { ...deposit, stamped: true },
      { ...deposit, version: 100n },
      { ...deposit, versionStated: false },
    ];
    expect(new Set(variants.map((event) => contentDigest(event).toString('hex'))).size).toBe(variants.length);
  });

  it('gives bytes that later digests do not change', () => {
    const bytes = contentBytes(trade);
    const before = bytes.toString('hex');
    contentDigest({ ...trade, tradeId: 999n });
    expect(bytes.toString('hex')).toBe(before);
    expect(bytes).toHaveLength(160);
    expect(contentBytes(deposit)).toHaveLength(81);
  });
});
