/**
 * Events for the tests of the domain, the settler and the ledger: any valid one over the whole of 63 bits, and short
 * ways to state one by hand.
 */
import fc from 'fast-check';
import type { Balance, BalanceKey } from '../../src/domain/balance.ts';
import { genesisChain } from '../../src/domain/chain.ts';
import type { LedgerEvent, LedgerKind, SettlementEvent, Trade } from '../../src/domain/event.ts';
import { encodeMessage } from '../../src/wire/encode.ts';
import { decodeMessage } from '../../src/wire/decode.ts';
import { anyLedger, anyTrade, context } from '../wire/messages.ts';

function decoded(message: Parameters<typeof encodeMessage>[0], stamped: boolean): SettlementEvent {
  const result = decodeMessage(encodeMessage(message), 'numbered', context);
  if (result.kind === 'rejected') throw new Error(result.faults.join('; '));
  return stamped ? { ...result.event, stamped } : result.event;
}

/** Any valid trade. */
export const anyTradeEvent: fc.Arbitrary<Trade> = fc
  .tuple(anyTrade, fc.boolean())
  .map(([message, stamped]) => decoded(message, stamped) as Trade);

/** Any valid ledger event, with a version that the engine stated or that the ingest assigned. */
export const anyLedgerEvent: fc.Arbitrary<LedgerEvent> = fc
  .tuple(anyLedger('numbered'), fc.boolean(), fc.boolean())
  .map(([message, stamped, versionStated]) => ({
    ...(decoded(message, stamped) as LedgerEvent),
    versionStated,
  }));

/** Any valid event. */
export const anyEvent: fc.Arbitrary<SettlementEvent> = fc.oneof(anyTradeEvent, anyLedgerEvent);

/** A ledger event of user 1001 in asset 2, but for what is said. */
export function ledgerEvent(
  kind: LedgerKind,
  sequence: bigint,
  version: bigint,
  amount: bigint,
  rest: Partial<LedgerEvent> = {},
): LedgerEvent {
  return {
    kind,
    sequence,
    timeMs: 1_700_000_000_000 + Number(sequence),
    stamped: false,
    userId: 1001n,
    sequenceId: sequence,
    amount,
    currency: 2,
    relatedId: 0n,
    version,
    versionStated: true,
    ...rest,
  };
}

/** A trade: 1001 buys 4 of asset 1 from 1002 at 3 of asset 2 each, but for what is said. */
export function trade(sequence: bigint, rest: Partial<Trade> = {}): Trade {
  return {
    kind: 'trade',
    sequence,
    timeMs: 1_700_000_000_000 + Number(sequence),
    stamped: false,
    tradeId: 7_000n + sequence,
    buyOrderId: 1n,
    sellOrderId: 2n,
    buyerUserId: 1001n,
    sellerUserId: 1002n,
    price: 3n,
    quantity: 4n,
    baseAsset: 1,
    quoteAsset: 2,
    buyerRefund: 0n,
    sellerRefund: 0n,
    matchSeq: 1n,
    outputSequence: sequence,
    quoteAmount: 12n,
    buyerQuoteVersion: 0n,
    buyerBaseVersion: 0n,
    sellerBaseVersion: 0n,
    sellerQuoteVersion: 0n,
    ...rest,
  };
}

/** A balance that no event has touched. */
export function untouched(key: BalanceKey): Balance {
  return { available: 0n, frozen: 0n, version: 0n, lastSequence: 0n, chain: genesisChain(key) };
}
