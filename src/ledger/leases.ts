/**
 * The lease of a stream: who may feed it. Its fencing number grows each time an ingest takes the stream over; chunks,
 * lines and control messages carry it, and workflows refuse a lower one, so an ingest that was replaced can do no harm.
 * A holder renews its lease; whoever sees no renewal for as long as the row says may take it. No clock stands in the
 * row: each side counts on its own. Lightweight transactions, on this table alone.
 *
 * A transaction that fails with an error may have been done all the same. Each is made so that it can be asked for: the
 * holder's id is that of one process, and a linearizable read ends what is under way.
 */
import { types, type Client } from 'cassandra-driver';
import { INT64_MAX } from '../domain/integers.ts';

/** A stream's row. */
export interface LeaseRow {
  /** The fencing number; 0 where none was ever taken. */
  readonly lease: bigint;
  /** Who took it last, for people. */
  readonly holder: string;
  /** Who holds it, for programs; undefined where nobody does. */
  readonly holderId: string | undefined;
  /** For how long a renewal is good, ms. */
  readonly durationMs: number;
  /** Another number at each renewal; none is used twice under one lease. */
  readonly renewal: bigint;
}

/** Who wants a lease. */
export interface LeaseClaim {
  readonly holder: string;
  /** Must be of this process and attempt alone. */
  readonly holderId: string;
  readonly durationMs: number;
  /** The number is to be above this one: others have heard of it, though it may not stand here any more. @default 0 */
  readonly above?: bigint | undefined;
}

/** There is no number left above the one that was heard of. */
export class LeaseNumbersError extends Error {
  override readonly name = 'LeaseNumbersError';
}

/** How long one request may take, ms; the driver's own bound where left out. */
interface Bound {
  readonly timeoutMs?: number | undefined;
}

const options = ({ timeoutMs }: Bound = {}) => ({
  prepare: true,
  isIdempotent: false,
  serialConsistency: types.consistencies.localSerial,
  ...(timeoutMs === undefined ? {} : { readTimeout: timeoutMs }),
});

const FREE: LeaseRow = { lease: 0n, holder: '', holderId: undefined, durationMs: 0, renewal: 0n };
const TAKE_ATTEMPTS_MAX = 20;

/** The lease of a stream as it stands. Linearizable: a transaction under way is ended first. */
export async function readLeaseRow(client: Client, stream: string, bound: Bound = {}): Promise<LeaseRow> {
  const result = await client.execute(
    'SELECT lease, holder, holder_id, duration_ms, renewal FROM leases WHERE stream = ?',
    [stream],
    { ...options(bound), isIdempotent: true, consistency: types.consistencies.localSerial },
  );
  const row = result.first() as types.Row | null;
  if (!row) return FREE;
  return {
    lease: (row['lease'] as bigint | null) ?? 0n,
    holder: (row['holder'] as string | null) ?? '',
    holderId: (row['holder_id'] as string | null) || undefined,
    durationMs: (row['duration_ms'] as number | null) ?? 0,
    renewal: (row['renewal'] as bigint | null) ?? 0n,
  };
}

/**
 * How long ago, by the server's clock, the lease was taken or renewed, ms; undefined where it never was. For people: whoever
 * wants to take a lease counts on its own clock.
 */
export async function readRenewalAgeMs(client: Client, stream: string): Promise<number | undefined> {
  const result = await client.execute(
    'SELECT WRITETIME(renewal) AS renewed_us, toUnixTimestamp(now()) AS now_ms FROM leases WHERE stream = ?',
    [stream],
    { ...options(), isIdempotent: true, consistency: types.consistencies.localSerial },
  );
  const row = result.first() as types.Row | null;
  const renewedUs = row?.['renewed_us'] as bigint | null | undefined;
  if (!row || renewedUs === null || renewedUs === undefined) return undefined;
  return Math.max(0, Number((row['now_ms'] as bigint) - renewedUs / 1_000n));
}

/** The newest fencing number of a stream, 0 where none was taken. Linearizable. */
export async function readLease(client: Client, stream: string): Promise<bigint> {
  return (await readLeaseRow(client, stream)).lease;
}

/**
 * Takes the next fencing number, if the row still stands as it was seen: not taken by another, not renewed. What others have
 * heard of makes the number larger, and changes nothing about who may take it: that is the row's to say alone.
 *
 * @param seen the row that the decision to take it was made from
 * @returns the number; undefined if the row has changed
 * @throws {@link LeaseNumbersError}; the driver's errors: then the lease may have been taken all the same, and
 * {@link readLeaseRow} tells
 */
export async function claimLease(
  client: Client,
  stream: string,
  seen: LeaseRow,
  claim: LeaseClaim,
  bound: Bound = {},
): Promise<bigint | undefined> {
  const { holder, holderId, durationMs, above = 0n } = claim;
  const next = (above > seen.lease ? above : seen.lease) + 1n;
  if (next > INT64_MAX)
    throw new LeaseNumbersError(
      `stream ${stream}: there is no lease above ${next - 1n}, which the database, the engine or a workflow has heard of: ` +
        `somebody made that number up. Give the stream another name, or mend who says it`,
    );
  const result =
    seen.lease === 0n
      ? await client.execute(
          'INSERT INTO leases (stream, lease, holder, holder_id, duration_ms, renewal) VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS',
          [stream, next, holder, holderId, durationMs, 0n],
          options(bound),
        )
      : await client.execute(
          'UPDATE leases SET lease = ?, holder = ?, holder_id = ?, duration_ms = ?, renewal = ? WHERE stream = ? ' +
            'IF lease = ? AND holder_id = ? AND renewal = ?',
          [
            next,
            holder,
            holderId,
            durationMs,
            0n,
            stream,
            seen.lease,
            // What nobody holds has neither.
            seen.holderId ?? null,
            seen.holderId === undefined ? null : seen.renewal,
          ],
          options(bound),
        );
  return result.wasApplied() ? next : undefined;
}

/**
 * Renews a lease.
 *
 * @param renewal another number than at any renewal of this lease before
 * @returns false if it is not this holder's any more
 * @throws the driver's errors: then it may have been renewed all the same
 */
export async function renewLease(
  client: Client,
  stream: string,
  held: { readonly lease: bigint; readonly holderId: string; readonly renewal: bigint },
  bound: Bound = {},
): Promise<boolean> {
  const result = await client.execute(
    'UPDATE leases SET renewal = ? WHERE stream = ? IF lease = ? AND holder_id = ?',
    [held.renewal, stream, held.lease, held.holderId],
    options(bound),
  );
  return result.wasApplied();
}

/** Gives a lease back, so that the next may take it at once. Harmless where it is another's by now. */
export async function releaseLease(
  client: Client,
  stream: string,
  held: { readonly lease: bigint; readonly holderId: string },
  bound: Bound = {},
): Promise<void> {
  await client.execute(
    'UPDATE leases SET holder_id = null, renewal = null WHERE stream = ? IF lease = ? AND holder_id = ?',
    [stream, held.lease, held.holderId],
    options(bound),
  );
}

/**
 * Takes the stream's next fencing number whoever holds it, for nobody: the holder finds it lost. For repairs and tests;
 * an ingest waits for its turn. Where it is not known whether a number was taken, it takes the one after.
 *
 * @param holder who takes it, for people
 * @throws Error if others take it all the time; the driver's if the database stays away
 */
export async function takeLease(client: Client, stream: string, holder: string): Promise<bigint> {
  let failure: unknown;
  for (let attempt = 0; attempt < TAKE_ATTEMPTS_MAX; attempt += 1) {
    try {
      const seen = await readLeaseRow(client, stream);
      if (await takeFrom(client, stream, seen, holder)) return seen.lease + 1n;
    } catch (error) {
      failure = error;
    }
  }
  throw (
    failure ?? new Error(`stream ${stream}: other processes keep taking its lease; run one ingest a stream`)
  );
}

async function takeFrom(client: Client, stream: string, seen: LeaseRow, holder: string): Promise<boolean> {
  const next = seen.lease + 1n;
  const result =
    seen.lease === 0n
      ? await client.execute(
          'INSERT INTO leases (stream, lease, holder) VALUES (?, ?, ?) IF NOT EXISTS',
          [stream, next, holder],
          options(),
        )
      : await client.execute(
          'UPDATE leases SET lease = ?, holder = ?, holder_id = null, renewal = null WHERE stream = ? IF lease = ?',
          [next, holder, stream, seen.lease],
          options(),
        );
  return result.wasApplied();
}
