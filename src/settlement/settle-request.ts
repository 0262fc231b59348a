/**
 * What the activity asks of the settler, and how each event ended. The settler answers for every event of a request, in
 * the request's order, and never in part: what it cannot read or write it throws (I5). A conflict here is a statement
 * about one event; that it halts the partition is the workflow's business (I6).
 */
import type { ConflictReason, Mismatch } from '../domain/decision.ts';
import type { DigestedEvent } from './port.ts';

/** An event to settle, with what the ingest and earlier attempts know of it. */
export interface RequestedEvent extends DigestedEvent {
  /** In the order of `touchesOf`, or empty where no event in flight comes before on any balance (I1c). */
  readonly predecessors: readonly (bigint | undefined)[];
  /** When an earlier attempt first found it in doubt, ms since the epoch. */
  readonly doubtSinceMs?: number | undefined;
}

/** One attempt at the events of a chunk. */
export interface SettleRequest {
  readonly stream: string;
  /** One cell that leads from a settled row to its workflow run (I11). */
  readonly settledBy: string;
  readonly events: readonly RequestedEvent[];
  /** After so long the settler answers with what it has, ms; the rest is `behind`. */
  readonly attemptMs: number;
  /** Cancels the attempt: it fails, but what is being written goes on. */
  readonly signal?: AbortSignal | undefined;
  /** Ends the attempt as if its time were up: what is not being written is handed back. For a worker that shuts down. */
  readonly leave?: AbortSignal | undefined;
}

/** How one event ended. */
export type EventOutcome =
  | { readonly kind: 'settled'; readonly duplicate: boolean }
  | { readonly kind: 'behind'; readonly waiting: readonly Mismatch[] }
  | { readonly kind: 'doubt'; readonly sinceMs: number; readonly balance: Mismatch }
  | { readonly kind: 'conflict'; readonly reason: ConflictReason; readonly balance: Mismatch };

/** The settler, as the activity sees it. */
export interface SettlerPort {
  /**
   * Settles what can be settled within `attemptMs`.
   *
   * @returns outcomes in the order of `events`
   * @throws StorageUnavailableError when reads or writes fail
   */
  settle(request: SettleRequest): Promise<EventOutcome[]>;
}

/** Reads or writes failed otherwise than by time-out of a write; trying again may help. */
export class StorageUnavailableError extends Error {
  override readonly name = 'StorageUnavailableError';

  constructor(message: string, cause: unknown) {
    super(message, { cause });
  }
}
