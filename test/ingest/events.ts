/** Events for the tests of the ingest's parts: small, valid, and followed by nothing but what a test says. */
import { contentDigest } from '../../src/domain/digest.ts';
import type { LedgerEvent, LedgerKind, SettlementEvent, Trade } from '../../src/domain/event.ts';
import { StreamStopped, type Stop } from '../../src/ingest/stop.ts';
import type { StreamLine } from '../../src/ledger/stream-log.ts';

/** A ledger event of user 1, asset 2. */
export function ledger(sequence: number, more: Partial<LedgerEvent> = {}): LedgerEvent {
  return {
    kind: 'deposit',
    sequence: BigInt(sequence),
    timeMs: 1_700_000_000_000,
    stamped: false,
    userId: 1n,
    sequenceId: BigInt(sequence),
    amount: 10n,
    currency: 2,
    relatedId: 0n,
    version: 0n,
    versionStated: true,
    ...more,
  };
}

/** As a classic engine announces it: without a number or a version. */
export function classic(kind: LedgerKind, amount: number, more: Partial<LedgerEvent> = {}): LedgerEvent {
  return ledger(0, { kind, amount: BigInt(amount), sequenceId: 0n, versionStated: false, ...more });
}

/** A trade of 5 base (1) at 4 quote (2): buyer 1, seller 3. */
export function trade(sequence: number, more: Partial<Trade> = {}): Trade {
  return {
    kind: 'trade',
    sequence: BigInt(sequence),
    timeMs: 1_700_000_000_000,
    stamped: false,
    tradeId: 7_000n + BigInt(sequence),
    buyOrderId: 1n,
    sellOrderId: 2n,
    buyerUserId: 1n,
    sellerUserId: 3n,
    price: 4n,
    quantity: 5n,
    baseAsset: 1,
    quoteAsset: 2,
    buyerRefund: 0n,
    sellerRefund: 0n,
    matchSeq: 1n,
    outputSequence: BigInt(sequence),
    quoteAmount: 20n,
    buyerQuoteVersion: 0n,
    buyerBaseVersion: 0n,
    sellerBaseVersion: 0n,
    sellerQuoteVersion: 0n,
    ...more,
  };
}

/** The line that an ingest writes of an event. */
export function lineOf(event: SettlementEvent): StreamLine {
  const id = event.kind === 'trade' ? event.tradeId : event.sequence;
  return { sequence: event.sequence, kind: event.kind, id, digest: contentDigest(event), lease: 1n };
}

/** The stop by which something must end. */
export async function stopOf(action: () => unknown): Promise<Stop> {
  try {
    await action();
  } catch (error) {
    if (error instanceof StreamStopped) return error.stop;
    throw error;
  }
  throw new Error('it did not stop the stream');
}
