/**
 * The activity that settles a chunk, as far as one attempt can: it reads the rows into events, asks the settler, and
 * puts its answers into words that travel through Temporal as JSON (I8). Each settled row gets a cell that leads back to
 * this run (I11). A conflict is kept in the database before it is reported (I6).
 */
import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import { parseRow } from '../domain/chunk.ts';
import { contentDigest } from '../domain/digest.ts';
import { eventId } from '../domain/event.ts';
import type { SettlementEvent } from '../domain/event.ts';
import { StorageUnavailableError } from '../settlement/settle-request.ts';
import type { EventOutcome, RequestedEvent, SettlerPort } from '../settlement/settle-request.ts';
import { FAILURE, SETTLE_ACTIVITY } from '../workflows/contract.ts';
import type {
  Chunk,
  ConflictReport,
  SettleActivities,
  SettleAttempt,
  SettleAttemptResult,
  WaitingReport,
} from '../workflows/contract.ts';
import type { Dismissals } from './dismissals.ts';
import { startHeartbeats } from './heartbeats.ts';
import { settlePastDismissed, type Passed } from './past-dismissed.ts';

/** Waiting events that an attempt's result names at most; a chunk may hold thousands. */
const WAITING_NAMED_MAX = 10;
/** Faulty rows that a failure names at most. */
const FAULTS_NAMED_MAX = 20;

/** Where an event comes from: the chunk's own words, since a worker may serve streams of other sizes than its own. */
export type QuarantinePlace = Pick<Chunk, 'stream' | 'partition'>;

/** What the activities need. */
export interface SettleDependencies {
  readonly settler: SettlerPort;
  /** The settler's own bound of an attempt, ms. Shorter than the workflow's start-to-close. */
  readonly attemptMs: number;
  /** Aborted when the worker shuts down: attempts hand back what they are not writing. */
  readonly leave?: AbortSignal;
  /** Keeps a conflict for people to decide about. Called again for the same event after a repeated attempt. */
  readonly quarantine: (
    place: QuarantinePlace,
    conflict: ConflictReport,
    event: SettlementEvent,
  ) => Promise<void>;
  /** What people dismissed. Left out where nobody decides. */
  readonly dismissals?: Dismissals;
}

/**
 * Builds the activities of the settler.
 *
 * @returns activities that throw ApplicationFailures of the types `bad-chunk` (not retried) and `storage-unavailable`
 */
export function createSettleActivities(dependencies: SettleDependencies): SettleActivities {
  const { settler, attemptMs, leave, quarantine, dismissals } = dependencies;
  return {
    async [SETTLE_ACTIVITY](attempt: SettleAttempt): Promise<SettleAttemptResult> {
      const { info, cancellationSignal } = Context.current();
      const { chunk } = attempt;
      const events = eventsOf(attempt);
      const stopHeartbeats = startHeartbeats();
      try {
        const settledBy = JSON.stringify({
          workflow: info.workflowExecution?.workflowId,
          run: info.workflowExecution?.runId,
          chunk: `${chunk.first}-${chunk.last}`,
          at: new Date().toISOString(),
        });
        const { stream } = chunk;
        const request = { stream, settledBy, events, attemptMs, signal: cancellationSignal, leave };
        const passed: Passed = dismissals
          ? await settlePastDismissed(settler, dismissals, attempt, request)
          : { outcomes: await settler.settle(request) };
        const { dismissed } = passed;
        const result = {
          ...resultOf(attempt, events, passed.outcomes),
          ...(dismissed && { dismissed: dismissed.map(String) }),
        };
        const conflicting = events.find(({ event }) => `${event.sequence}` === result.conflict?.sequence);
        if (result.conflict && conflicting) await quarantine(chunk, result.conflict, conflicting.event);
        return info.attempt > 1 ? { ...result, retried: true } : result;
      } catch (error) {
        if (cancellationSignal.aborted)
          throw new CancelledFailure('the attempt was cancelled', [], asError(error));
        if (error instanceof StorageUnavailableError) throw unavailable(error);
        throw error;
      } finally {
        stopHeartbeats();
      }
    },
  };
}

/** The chunk's events in ascending order of sequence. */
function eventsOf({ chunk, doubts }: SettleAttempt): RequestedEvent[] {
  const events: RequestedEvent[] = [];
  const faults: string[] = [];
  for (const [kind, row] of rowsOf(chunk)) {
    try {
      const { event, predecessors } = parseRow(kind, row);
      const doubtSinceMs = doubts[`${event.sequence}`];
      events.push({ event, digest: contentDigest(event), predecessors, doubtSinceMs });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      faults.push(error.message);
    }
  }
  if (faults.length > 0) {
    const more = faults.length > FAULTS_NAMED_MAX ? ` and ${faults.length - FAULTS_NAMED_MAX} more` : '';
    const message = `chunk ${chunk.first}-${chunk.last}: ${faults.slice(0, FAULTS_NAMED_MAX).join('; ')}${more}`;
    throw ApplicationFailure.nonRetryable(message, FAILURE.badChunk);
  }
  return events.sort((a, b) => (a.event.sequence < b.event.sequence ? -1 : 1));
}

function* rowsOf(chunk: Chunk): Generator<['trade' | 'ledger', string]> {
  for (const row of chunk.trades.rows) yield ['trade', row];
  for (const row of chunk.ledgerEvents.rows) yield ['ledger', row];
}

/** The settler's outcomes as the workflow takes them. `events` are in ascending order, so what follows is too. */
function resultOf(
  { doubts }: SettleAttempt,
  events: readonly RequestedEvent[],
  outcomes: readonly EventOutcome[],
): SettleAttemptResult {
  const remaining: string[] = [];
  const waiting: WaitingReport[] = [];
  const stillInDoubt: Record<string, number> = {};
  let settled = 0;
  let duplicates = 0;
  let conflict: ConflictReport | undefined;
  for (const [index, { event }] of events.entries()) {
    const outcome = outcomes[index];
    if (!outcome) throw new Error(`the settler did not answer for sequence ${event.sequence}`);
    if (outcome.kind === 'settled') {
      if (outcome.duplicate) duplicates += 1;
      else settled += 1;
      continue;
    }
    const sequence = `${event.sequence}`;
    remaining.push(sequence);
    // Once in doubt, an event keeps its moment of first doubt until it is settled.
    const since = doubts[sequence] ?? (outcome.kind === 'doubt' ? outcome.sinceMs : undefined);
    if (since !== undefined) stillInDoubt[sequence] = since;
    if (outcome.kind === 'conflict') {
      conflict ??= { ...reportOf(event, outcome.balance), reason: outcome.reason };
    } else if (waiting.length < WAITING_NAMED_MAX) {
      const balance = outcome.kind === 'doubt' ? outcome.balance : outcome.waiting[0];
      if (balance) waiting.push({ ...reportOf(event, balance), state: outcome.kind });
    }
  }
  return {
    settled,
    duplicates,
    remaining,
    waiting,
    doubts: stillInDoubt,
    ...(conflict && { conflict }),
  };
}

function reportOf(
  event: SettlementEvent,
  balance: { userId: bigint; assetId: number; expected: bigint; found: bigint },
): Omit<WaitingReport, 'state'> {
  return {
    sequence: `${event.sequence}`,
    event: event.kind === 'trade' ? `trade ${eventId(event)}` : event.kind,
    user: `${balance.userId}`,
    asset: balance.assetId,
    expected: `${balance.expected}`,
    found: `${balance.found}`,
  };
}

function unavailable(error: StorageUnavailableError): ApplicationFailure {
  return ApplicationFailure.create({
    type: FAILURE.storageUnavailable,
    message: error.message,
    ...(error.cause instanceof Error && { cause: error.cause }),
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
