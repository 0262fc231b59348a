/**
 * The digest of what an engine stated: 32 bytes by which a message that comes again is told from one that says
 * something else (I1b, I6). It covers the stated fields only, in one byte layout for every dialect: neither a sequence
 * or version that the ingest assigned nor a stamped time is part of it (I2). The layout and a vector are in docs/wire.md.
 */
import type { LedgerEvent, LedgerKind, SettlementEvent, Trade } from './event.ts';
import { sha256 } from './sha256.ts';

const TRADE_TAG = Buffer.from('settled/trade/1\n', 'ascii');
const LEDGER_TAG = Buffer.from('settled/ledger/1\n', 'ascii');
const TRADE_BYTES = TRADE_TAG.length + 18 * 8;
const LEDGER_BYTES = LEDGER_TAG.length + 8 * 8;

/** The number of a ledger event's kind in canonical bytes. Part of the format: never changed. */
export const KIND_CODES: Readonly<Record<LedgerKind, bigint>> = {
  deposit: 1n,
  withdraw: 2n,
  lock: 3n,
  unlock: 4n,
};

// Reused for every digest: hashing reads the bytes before it returns, and nothing else sees them.
const tradeScratch = scratch(TRADE_TAG, TRADE_BYTES);
const ledgerScratch = scratch(LEDGER_TAG, LEDGER_BYTES);

interface Scratch {
  readonly bytes: Buffer;
  readonly view: DataView;
}

function scratch(tag: Buffer, size: number): Scratch {
  const bytes = Buffer.from(new ArrayBuffer(size));
  tag.copy(bytes);
  return { bytes, view: new DataView(bytes.buffer) };
}

/**
 * The canonical bytes of what the engine stated: an ASCII tag with the format's version, then each field as a signed
 * 64-bit big-endian integer in the wire's order. 160 bytes for a trade, 81 for a ledger event. The caller owns them.
 */
export function contentBytes(event: SettlementEvent): Buffer {
  return Buffer.from(fill(event));
}

/**
 * SHA-256 over {@link contentBytes}: 32 bytes. Equal for two events if and only if the engine stated the same.
 */
export function contentDigest(event: SettlementEvent): Buffer {
  return sha256(fill(event));
}

function fill(event: SettlementEvent): Buffer {
  return event.kind === 'trade' ? fillTrade(event) : fillLedgerEvent(event);
}

function fillTrade(trade: Trade): Buffer {
  const { bytes, view } = tradeScratch;
  const at = TRADE_TAG.length;
  view.setBigInt64(at, trade.tradeId);
  view.setBigInt64(at + 8, trade.buyOrderId);
  view.setBigInt64(at + 16, trade.sellOrderId);
  view.setBigInt64(at + 24, trade.buyerUserId);
  view.setBigInt64(at + 32, trade.sellerUserId);
  view.setBigInt64(at + 40, trade.price);
  view.setBigInt64(at + 48, trade.quantity);
  view.setBigInt64(at + 56, BigInt(trade.baseAsset));
  view.setBigInt64(at + 64, BigInt(trade.quoteAsset));
  view.setBigInt64(at + 72, trade.buyerRefund);
  view.setBigInt64(at + 80, trade.sellerRefund);
  view.setBigInt64(at + 88, trade.matchSeq);
  view.setBigInt64(at + 96, trade.outputSequence);
  view.setBigInt64(at + 104, statedTime(trade));
  view.setBigInt64(at + 112, trade.buyerQuoteVersion);
  view.setBigInt64(at + 120, trade.buyerBaseVersion);
  view.setBigInt64(at + 128, trade.sellerBaseVersion);
  view.setBigInt64(at + 136, trade.sellerQuoteVersion);
  return bytes;
}

function fillLedgerEvent(event: LedgerEvent): Buffer {
  const { bytes, view } = ledgerScratch;
  const at = LEDGER_TAG.length;
  view.setBigInt64(at, event.userId);
  view.setBigInt64(at + 8, event.sequenceId);
  view.setBigInt64(at + 16, KIND_CODES[event.kind]);
  view.setBigInt64(at + 24, event.amount);
  view.setBigInt64(at + 32, BigInt(event.currency));
  view.setBigInt64(at + 40, event.relatedId);
  view.setBigInt64(at + 48, statedTime(event));
  view.setBigInt64(at + 56, event.versionStated ? event.version : -1n);
  return bytes;
}

function statedTime(event: SettlementEvent): bigint {
  return event.stamped ? 0n : BigInt(event.timeMs);
}
