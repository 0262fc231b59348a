/**
 * A balance: what one user has of one asset, at one version. A missing row is version 0 with zeros, whose chain is
 * the hash of its own key (chain.ts).
 */

/** Which balance: one user and one asset. */
export interface BalanceKey {
  readonly userId: bigint;
  readonly assetId: number;
}

/** The value of a balance at a version: a function of the events before it alone (I2). */
export interface Balance {
  /** In the asset's smallest unit, 0 … 2⁶³ − 1. */
  readonly available: bigint;
  /** Held for open orders, 0 … 2⁶³ − 1. */
  readonly frozen: bigint;
  /** How often it has changed. */
  readonly version: bigint;
  /** Sequence of the event that changed it last; 0 where none has. */
  readonly lastSequence: bigint;
  /** Chain value of its last ledger entry, 32 bytes. */
  readonly chain: Buffer;
}

/** "1001/2": user and asset, as messages to people and maps name a balance. */
export function balanceName(key: BalanceKey): string {
  return `${key.userId}/${key.assetId}`;
}
