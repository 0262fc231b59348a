/**
 * The life of an ingest's process: whenever the stream's lease is ours it is opened and fed, else it stands by. What passes
 * while it is being opened, a database that is away for a moment, is tried again for as long as one lease is good; then
 * the lease is given up, since another that stands by may reach what this process cannot. What a person must settle ends it.
 * Where engine or workflows have heard of a higher lease than the database has, the next is taken above that: by the same
 * rules as any other, so that the row of the lease alone says who feeds the stream.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { errors as driverErrors, types } from 'cassandra-driver';
import { StreamMismatchError } from '../ledger/streams.ts';
import type { Logger } from '../logging/index.ts';
import { isLeaseEnd, leaseEndText } from './lease-end.ts';
import type { HeldLease, LeaseEnding } from './lease.ts';
import { ClosedStreamError, LeaseBehindError, UnfinishedStreamError } from './opening.ts';
import type { IngestEnding } from './progress.ts';
import { EndpointError } from './sockets.ts';

const RETRY_MS_FIRST = 200;
const RETRY_MS_MAX = 2_000;
/** Between two leases that engine or workflows do not listen to. */
const BEHIND_MS_FIRST = 50;
const BEHIND_MS_MAX = 5_000;
/** Who gave the lease up lets others be first: they look once a second. */
const GIVEN_UP_MS = 2_500;

/** A lease that can be given back. */
export interface ServedLease extends HeldLease {
  release(): Promise<void>;
}

/** How a stream is served. `T` is an open ingest. */
export interface ServingOptions<T> {
  readonly log: Logger;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** False: end where the lease ends, and where the stream cannot be opened. */
  readonly standBy: boolean;
  /** For how long opening is tried under one lease, ms. */
  readonly openMsMax: number;
  /** @default 2 500 */
  readonly givenUpMs?: number;
  /** Resolves with a lease above a number when it is our turn; undefined if the process is to end before. */
  takeLease(above: bigint): Promise<ServedLease | undefined>;
  open(lease: ServedLease): Promise<T>;
  run(ingest: T): Promise<IngestEnding>;
}

/** How serving ended. */
export type Served =
  | { readonly kind: 'ended'; readonly ending: IngestEnding }
  /** It was told to end while it stood by, or while the stream was being opened. */
  | { readonly kind: 'interrupted' }
  /** It may not stand by, and the lease ended before the stream was open. */
  | { readonly kind: 'lease-ended'; readonly message: string };

type Turn =
  | Served
  | { readonly kind: 'given-up'; readonly error: unknown }
  | { readonly kind: 'not-opened'; readonly ending: LeaseEnding }
  | { readonly kind: 'behind'; readonly heard: bigint };

/**
 * Feeds a stream whenever its lease is ours, until it stops or the process is to end.
 *
 * @throws what a person must settle (StreamMismatchError, UnfinishedStreamError, ClosedStreamError, EndpointError, a fault of the code …) and,
 * where it may not stand by, whatever kept the stream from being opened
 */
export async function serveStream<T>(options: ServingOptions<T>): Promise<Served> {
  const { log, standBy } = options;
  let above = 0n;
  let behindMs = BEHIND_MS_FIRST;
  for (;;) {
    const lease = await options.takeLease(above);
    if (!lease) return { kind: 'interrupted' };
    let turn: Turn;
    try {
      turn = await takeTurn(options, lease);
    } finally {
      await lease.release().catch((error: unknown) => {
        log.warn({ problem: String(error) }, 'the lease could not be given back; it will run out');
      });
    }
    const heard = heardIn(turn);
    if (heard > above) above = heard;
    const isBehind = turn.kind === 'ended' && turn.ending.stop?.reason === 'lease-behind';
    if (turn.kind === 'behind' || (isBehind && !options.signal.aborted)) {
      await pause(options, behindMs);
      behindMs = Math.min(behindMs * 2, BEHIND_MS_MAX);
      continue;
    }
    behindMs = BEHIND_MS_FIRST;
    if (turn.kind === 'given-up') {
      if (!standBy) throw turn.error;
      await pause(options, options.givenUpMs ?? GIVEN_UP_MS);
    } else if (turn.kind === 'not-opened') {
      const message = leaseEndText(turn.ending, lease.number);
      log.warn({ lease: `${lease.number}` }, message);
      if (!standBy) return { kind: 'lease-ended', message };
    } else if (turn.kind !== 'ended' || !goesOn(options, turn.ending)) return turn;
  }
}

async function pause({ signal }: ServingOptions<unknown>, ms: number): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/** The higher lease that engine or workflows have heard of, 0 where they have not. */
function heardIn(turn: Turn): bigint {
  if (turn.kind === 'behind') return turn.heard;
  return turn.kind === 'ended' ? BigInt(turn.ending.stop?.heard ?? 0) : 0n;
}

function goesOn({ standBy, signal }: ServingOptions<unknown>, { stop }: IngestEnding): boolean {
  return isLeaseEnd(stop?.reason) && standBy && !signal.aborted;
}

async function takeTurn<T>(options: ServingOptions<T>, lease: ServedLease): Promise<Turn> {
  const { log, signal, openMsMax } = options;
  const startedMs = performance.now();
  for (let delayMs = RETRY_MS_FIRST; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
    let ingest: T;
    try {
      ingest = await options.open(lease);
    } catch (error) {
      if (isForPeople(error)) throw error;
      if (error instanceof LeaseBehindError) {
        log.warn({ lease: `${lease.number}`, heard: `${error.heard}` }, error.message);
        return { kind: 'behind', heard: error.heard };
      }
      if (!lease.isHeld()) return { kind: 'not-opened', ending: await lease.ended };
      if (signal.aborted) return { kind: 'interrupted' };
      const told = { lease: `${lease.number}`, problem: String(error) };
      if (performance.now() - startedMs + delayMs >= openMsMax) {
        log.error(told, 'the stream cannot be opened; the lease is given up, so that another may try');
        return { kind: 'given-up', error };
      }
      log.warn(told, 'the stream could not be opened; trying again');
      await pause(options, delayMs);
      continue;
    }
    return { kind: 'ended', ending: await options.run(ingest) };
  }
}

/** What the database answers to a request that will never be right: a table that is not there, a right that we lack. */
const REFUSALS: ReadonlySet<number> = new Set([
  types.responseErrorCodes.badCredentials,
  types.responseErrorCodes.protocolError,
  types.responseErrorCodes.syntaxError,
  types.responseErrorCodes.unauthorized,
  types.responseErrorCodes.invalid,
  types.responseErrorCodes.configError,
]);

/** True for what trying again would not help. */
function isForPeople(error: unknown): boolean {
  if (error instanceof driverErrors.ResponseError) return REFUSALS.has(error.code);
  return [
    StreamMismatchError,
    UnfinishedStreamError,
    ClosedStreamError,
    EndpointError,
    TypeError,
    RangeError,
    SyntaxError,
    ReferenceError,
  ].some((one) => error instanceof one);
}
