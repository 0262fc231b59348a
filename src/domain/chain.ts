/**
 * The chain: SHA-256 over the previous chain value and an entry's canonical bytes, so that an altered or missing
 * ledger entry is evident to whoever knows a later value. Byte layouts are specified in docs/chain.md and held by
 * vectors in test/data/chain-vectors.json.
 */
import type { BalanceKey } from './balance.ts';
import { sha256, SHA256_BYTES } from './sha256.ts';

const GENESIS_TAG = 'settled/balance/1\n';
const ENTRY_TAG = 'settled/entry/1\n';
const VOID_TAG = 'settled/void/1\n';
/** Length of a chain value, bytes. */
export const CHAIN_BYTES = SHA256_BYTES;
/** Bytes of an entry behind its tag. */
const FIELD_BYTES = CHAIN_BYTES + 2 + 8 + 4 + 8 + 8 + 8;

/** Where the bytes of an entry are put together; nothing but the tag stays in it from one call to the next. */
interface Scratch {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Where the fields begin. */
  readonly offset: number;
}

function scratchOf(tag: string): Scratch {
  const offset = CHAIN_BYTES + tag.length;
  const bytes = Buffer.from(new ArrayBuffer(offset + FIELD_BYTES));
  bytes.write(tag, CHAIN_BYTES, 'latin1');
  return { bytes, view: new DataView(bytes.buffer), offset };
}

const entryScratch = scratchOf(ENTRY_TAG);
const voidScratch = scratchOf(VOID_TAG);

/** What of a ledger entry goes into its chain value. */
export interface ChainedEntry extends BalanceKey {
  /** Digest of what the engine stated (digest.ts), 32 bytes. */
  readonly digest: Buffer;
  /** Index of the leg within its event, 0 … 3. */
  readonly leg: number;
  /** Index of the step within its leg, 0 or 1. */
  readonly step: number;
  /** The version that this entry brings. */
  readonly version: bigint;
  readonly availableAfter: bigint;
  readonly frozenAfter: bigint;
}

/**
 * The chain value before a balance's first entry: SHA-256 of the tag `settled/balance/1\n`, the user id (64 bits) and
 * the asset id (32 bits), big-endian.
 */
export function genesisChain(key: BalanceKey): Buffer {
  const bytes = Buffer.allocUnsafe(GENESIS_TAG.length + 12);
  bytes.write(GENESIS_TAG, 'latin1');
  bytes.writeBigInt64BE(key.userId, GENESIS_TAG.length);
  bytes.writeInt32BE(key.assetId, GENESIS_TAG.length + 8);
  return sha256(bytes);
}

/**
 * The chain value of an entry: SHA-256 of the previous value (32 bytes), the tag `settled/entry/1\n`, the digest of
 * what the engine stated (32 bytes), leg and step (a byte each), user (64), asset (32), version, available and frozen
 * after (64 each), big-endian.
 */
export function nextChain(previous: Buffer, entry: ChainedEntry): Buffer {
  return chained(entryScratch, previous, entry);
}

/**
 * The chain value of an entry of kind `void`: a version that a dismissed event takes without changing anything. As
 * {@link nextChain}, under the tag `settled/void/1\n`, so that no entry can be passed off as the other kind.
 */
export function voidChain(previous: Buffer, entry: ChainedEntry): Buffer {
  return chained(voidScratch, previous, entry);
}

function chained({ bytes, view, offset }: Scratch, previous: Buffer, entry: ChainedEntry): Buffer {
  previous.copy(bytes, 0, 0, CHAIN_BYTES);
  const at = offset + entry.digest.copy(bytes, offset, 0, CHAIN_BYTES);
  view.setUint8(at, entry.leg);
  view.setUint8(at + 1, entry.step);
  view.setBigInt64(at + 2, entry.userId);
  view.setInt32(at + 10, entry.assetId);
  view.setBigInt64(at + 14, entry.version);
  view.setBigInt64(at + 22, entry.availableAfter);
  view.setBigInt64(at + 30, entry.frozenAfter);
  return sha256(bytes);
}
