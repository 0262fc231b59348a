/**
 * Bounds of the settler, each with its name. The relations between them are asserted when a settler is made, so that a
 * configuration that can't work stops the start.
 */

/** What bounds the settler. */
export interface SettlerLimits {
  /** Events in one LOGGED BATCH. */
  readonly groupEventsMax: number;
  /** Bytes of one LOGGED BATCH, as the server counts them; below its batch_size_fail_threshold (50 KiB). */
  readonly groupBytesMax: number;
  /** LOGGED BATCHes at once. */
  readonly batchesInFlightMax: number;
  /** Unlogged batches of ledger entries at once. */
  readonly entryWritesInFlightMax: number;
  /** First and longest time between two reads for an event that waits, ms; it doubles in between. */
  readonly lookMsFirst: number;
  readonly lookMsMax: number;
  /** Waiting events that one round of reads looks at. */
  readonly lookEventsMax: number;
  /** So long an event waits before the balances that it waits for are peeked at, ms. */
  readonly peekAfterMs: number;
  /** Shortest and longest pause between two peeks, ms; it doubles while nothing has moved. */
  readonly peekMsFirst: number;
  readonly peekMsMax: number;
  /** Balances that one peek reads at most, while nothing moves and while much does; doubled and halved in between. */
  readonly peekBalancesMin: number;
  readonly peekBalancesMax: number;
  /** The time within which the batch log must have been replayed, ms: only a later read makes a doubt a conflict. */
  readonly doubtMs: number;
  /** First and longest time before a write that timed out is sent again, ms. */
  readonly retryMsFirst: number;
  readonly retryMsMax: number;
  /** After so long a write that keeps timing out counts as failed, ms. What it left is found by reading again. */
  readonly writeMsMax: number;
}

/** Default {@link SettlerLimits}. */
export const SETTLER_LIMITS: SettlerLimits = {
  groupEventsMax: 100,
  groupBytesMax: 46 * 1024,
  batchesInFlightMax: 8,
  entryWritesInFlightMax: 8,
  lookMsFirst: 150,
  lookMsMax: 1_000,
  lookEventsMax: 256,
  peekAfterMs: 20,
  peekMsFirst: 10,
  peekMsMax: 200,
  peekBalancesMin: 16,
  peekBalancesMax: 256,
  doubtMs: 30_000,
  retryMsFirst: 100,
  retryMsMax: 2_000,
  writeMsMax: 60_000,
};

/** The server refuses a batch above this size (cassandra.yaml, batch_size_fail_threshold). */
const SERVER_BATCH_BYTES_MAX = 50 * 1024;

/**
 * Checks limits and their relations.
 *
 * @throws RangeError listing every fault
 */
export function checkLimits(limits: SettlerLimits): void {
  const faults: string[] = [];
  for (const [name, value] of Object.entries(limits))
    if (!Number.isFinite(value) || value <= 0) faults.push(`${name} must be above 0, is ${value}`);
  if (limits.groupBytesMax >= SERVER_BATCH_BYTES_MAX)
    faults.push(
      `groupBytesMax ${limits.groupBytesMax} must stay below the server's ${SERVER_BATCH_BYTES_MAX}`,
    );
  if (limits.lookMsFirst > limits.lookMsMax) faults.push('lookMsFirst must not exceed lookMsMax');
  if (limits.peekMsFirst > limits.peekMsMax) faults.push('peekMsFirst must not exceed peekMsMax');
  if (limits.peekBalancesMin > limits.peekBalancesMax)
    faults.push('peekBalancesMin must not exceed peekBalancesMax');
  if (limits.retryMsFirst > limits.retryMsMax) faults.push('retryMsFirst must not exceed retryMsMax');
  if (faults.length > 0) throw new RangeError(`settler limits: ${faults.join('; ')}`);
}
