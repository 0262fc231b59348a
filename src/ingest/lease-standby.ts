/**
 * Standing by until a stream's lease is free. That a holder is gone is seen from its row alone: where nothing was renewed
 * for as long as the row says, and a margin, by this process's own clock from when it first saw the row as it is. So no
 * two machines' clocks must agree. The row is taken only if it still stands as it was seen.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'cassandra-driver';
import {
  claimLease,
  LeaseNumbersError,
  readLeaseRow,
  releaseLease,
  renewLease,
  type LeaseRow,
} from '../ledger/leases.ts';
import type { Logger } from '../logging/index.ts';
import { instant, LeaseKeeper, waitedMs, type Instant } from './lease.ts';

/** How to come by a lease. */
export interface StandbyOptions {
  readonly client: Client;
  readonly log: Logger;
  readonly stream: string;
  /** Who we are, for people. */
  readonly holder: string;
  /** Who we are, for programs: an id that nothing else has. */
  readonly holderId: string;
  /** For how long a renewal is good, ms. */
  readonly durationMs: number;
  /** The number is to be above this one. @default 0 */
  readonly above?: bigint;
  /** False: fail at once where another holds it. @default true */
  readonly standBy?: boolean;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
  /** True only if that holder's process is known to be gone: then nobody waits for its lease to run out. */
  isGone?(holderId: string): boolean;
  /** Told whose lease is waited for, once for each. */
  onStandby?(row: LeaseRow): void;
}

/** Another ingest feeds the stream, and this one was told not to wait. */
export class LeaseHeldError extends Error {
  override readonly name = 'LeaseHeldError';
  readonly row: LeaseRow;

  constructor(stream: string, row: LeaseRow) {
    super(
      `stream ${stream}: lease ${row.lease} is held by ${row.holder}. End that ingest, or start this one without ` +
        `--no-standby: then it takes over when the lease runs out`,
    );
    this.row = row;
  }
}

const POLL_SHARE = 0.1;
const POLL_MS_MAX = 1_000;
/** How long a database that does not answer is asked again by one that may not wait for the lease, ms. */
const ASK_MS_MAX = 10_000;

/**
 * Waits until the lease is ours.
 *
 * @throws {@link LeaseHeldError} where it may not wait; LeaseNumbersError (ledger/leases.ts); the signal's reason; the driver's error where the database does
 * not answer and it may not wait
 */
export async function standBy(options: StandbyOptions): Promise<LeaseKeeper> {
  const { client, stream, durationMs, signal, log } = options;
  const timeoutMs = durationMs;
  const askUntilMs = performance.now() + ASK_MS_MAX;
  let seen: LeaseRow | undefined;
  let seenMs = 0;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const row = await readLeaseRow(client, stream, { timeoutMs });
      const nowMs = performance.now();
      if (isFree(options, row) || (sameRow(row, seen) && nowMs - seenMs >= waitedMs(row.durationMs))) {
        const keeper = await claim(options, row);
        if (keeper) return keeper;
        continue;
      }
      if (options.standBy === false) throw new LeaseHeldError(stream, row);
      if (row.lease !== seen?.lease) options.onStandby?.(row);
      if (!sameRow(row, seen)) [seen, seenMs] = [row, nowMs];
    } catch (error) {
      const isPatient = options.standBy !== false || performance.now() < askUntilMs;
      if (!isPatient || error instanceof LeaseHeldError || error instanceof LeaseNumbersError) throw error;
      log.warn({ problem: String(error) }, 'asking for the lease again');
    }
    const pauseMs = Math.min((seen?.durationMs || durationMs) * POLL_SHARE, POLL_MS_MAX);
    await sleep(pauseMs, undefined, signal ? { signal } : {}).catch(() => undefined);
  }
}

function isFree(options: StandbyOptions, { holderId }: LeaseRow): boolean {
  return holderId === undefined || holderId === options.holderId || (options.isGone?.(holderId) ?? false);
}

/** True if nobody renewed or took the lease between the two looks: a number of renewal is used once. */
function sameRow(row: LeaseRow, seen: LeaseRow | undefined): boolean {
  return row.lease === seen?.lease && row.holderId === seen.holderId && row.renewal === seen.renewal;
}

/**
 * Takes the lease if it still stands as seen. A claim whose answer got lost shows at the next look as our own, and is
 * claimed again like a free one.
 */
async function claim(options: StandbyOptions, row: LeaseRow): Promise<LeaseKeeper | undefined> {
  const { client, stream, durationMs } = options;
  const sent = instant();
  const lease = await claimLease(client, stream, row, options, { timeoutMs: durationMs });
  if (lease === undefined) return undefined;
  const keeper = keeperOf(options, lease, sent);
  if (keeper.isHeld()) return keeper;
  // The answer took too long: what is ours is claimed again.
  await keeper.release();
  return undefined;
}

function keeperOf(options: StandbyOptions, lease: bigint, sent: Instant): LeaseKeeper {
  const { client, stream, durationMs, holderId, log } = options;
  return new LeaseKeeper(
    {
      lease,
      durationMs,
      renew: (renewal, timeoutMs) => renewLease(client, stream, { lease, holderId, renewal }, { timeoutMs }),
      release: () => releaseLease(client, stream, { lease, holderId }, { timeoutMs: durationMs }),
      onRetry: (error) => {
        log.warn({ problem: String(error) }, 'renewing the lease again');
      },
    },
    sent,
  );
}
