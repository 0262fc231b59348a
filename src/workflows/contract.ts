/**
 * The names and types that others share with the workflows: the ingest sends Updates, the activities implement the
 * interface, the CLI queries. Everything here goes through Temporal as JSON, so 64-bit integers are decimal strings
 * (I8). A field may be added, never renamed or retyped: recorded histories replay against this file (I9).
 */
import type { Rows } from '../domain/chunk.ts';
import type { ConflictReason } from '../domain/decision.ts';
import type { VoidPlace } from '../domain/void-decision.ts';

/** Workflow type of a partition. */
export const PARTITION_WORKFLOW = 'partition';
/** Update that settles a chunk. */
export const SETTLE_UPDATE = 'settle';
/** Update by which a person lets a halted partition try again. */
export const RESUME_UPDATE = 'resume';
/** Update by which a person decides about an event that conflicts: {@link DecideRequest}. */
export const DECIDE_UPDATE = 'decide';
/** Query that answers {@link PartitionStatus}. */
export const STATUS_QUERY = 'status';
/** Activity that settles a chunk, as far as it can within one attempt. */
export const SETTLE_ACTIVITY = 'settle';
/** Activity that records a person's decision, and settles a dismissed event as void. */
export const DECIDE_ACTIVITY = 'decide';

/**
 * `type`s of the ApplicationFailures that cross Temporal. Stable: senders act on them.
 * - `stale-lease`: the chunk is of an older lease than the workflow has seen; its ingest must stop. `details[0]` is the
 *   {@link SeenLease}.
 * - `run-closing`: the run is about to continue as new; send the same Update again.
 * - `bad-chunk`: the chunk is none of ours; sending it again can't help.
 * - `halted`: the partition waits for a person. Refused before it enters the history, so that senders may ask again for
 *   as long as it takes; `details[0]` is the {@link SettleResult} of outcome `halted`.
 * - `deciding`: a person's decision is being carried out, or a dismissal was begun and not finished; send again later.
 * - `bad-request`: a `resume` or `decide` without who or why, or an input of the workflow that is none.
 * - `storage-unavailable`: reads or writes failed; retried by Temporal.
 * - `internal-fault`: a fault of the workflow's own code. The Update fails with it; the partition goes on.
 */
export const FAILURE = {
  staleLease: 'stale-lease',
  runClosing: 'run-closing',
  badChunk: 'bad-chunk',
  halted: 'halted',
  deciding: 'deciding',
  badRequest: 'bad-request',
  internalFault: 'internal-fault',
  storageUnavailable: 'storage-unavailable',
} as const;

/**
 * Updates that an ingest has under way on one partition at most; the server's limit is 10. A worker sizes its activity
 * slots by it, so that an event that others wait for never lacks one.
 */
export const UPDATES_IN_FLIGHT_MAX = 4;

/**
 * Time-out of a workflow task, ms: a worker that died in one is replaced after so long. Not shorter: after an outage a worker
 * replays all its partitions at once, on one thread, and what is not done in time is begun anew from the start, again and
 * again where the machine is busy.
 */
export const WORKFLOW_TASK_MS = 6_000;

/** The workflow id of a partition. */
export function partitionWorkflowId(stream: string, partition: number): string {
  return `settle-${stream}-${partition}`;
}

/** Static summary and details of a partition's workflow, for the UI. Given by whoever starts it. */
export function partitionSummary(
  stream: string,
  partition: number,
): { readonly staticSummary: string; readonly staticDetails: string } {
  return {
    staticSummary: `partition ${partition} of ${stream}`,
    staticDetails:
      `Settles the events of stream \`${stream}\` whose owner lives in partition ${partition}. Each \`${SETTLE_UPDATE}\` ` +
      `Update is a chunk of events, each activity an attempt at it, each timer a wait for a balance that is not yet at ` +
      `the version an event expects. A halted partition goes on after a person's \`${DECIDE_UPDATE}\`.`,
  };
}

/** Consecutive events of one partition, sent to its workflow in one Update. */
export interface Chunk {
  readonly stream: string;
  readonly partition: number;
  /** Fencing number of the ingest that sends it; a workflow refuses a lower one than it has seen. */
  readonly lease: string;
  /** First and last sequence in the chunk. Other partitions own the sequences between that are not in it. */
  readonly first: string;
  readonly last: string;
  /** Grows only when a remainder is sent again. */
  readonly try: number;
  readonly trades: Rows;
  readonly ledgerEvents: Rows;
  /** The limits of the ingest that sends it, in its first chunk to this partition: those of the next run. */
  readonly limits?: PartitionLimits;
}

/** What a chunk's Update is known by within its ingest: the same chunk has the same until it has a result. */
export function chunkUpdateId(chunk: Pick<Chunk, 'stream' | 'first' | 'last' | 'lease' | 'try'>): string {
  return `${chunk.stream}:${chunk.first}-${chunk.last}:lease${chunk.lease}:try${chunk.try}`;
}

/** An event that waits, and the first balance that is not as it expects. */
export interface WaitingReport {
  readonly sequence: string;
  /** "trade 7" or "lock". */
  readonly event: string;
  readonly state: 'behind' | 'doubt';
  readonly user: string;
  readonly asset: number;
  readonly expected: string;
  readonly found: string;
}

/** An event that conflicts, and why. */
export interface ConflictReport {
  readonly sequence: string;
  readonly event: string;
  readonly reason: ConflictReason;
  readonly user: string;
  readonly asset: number;
  /**
   * Version; or predecessor's sequence, for reason `predecessor`; or how much there had to be at least or at most, for
   * `negative-balance` and `overflow`.
   */
  readonly expected: string;
  readonly found: string;
}

/** What the activity is asked. */
export interface SettleAttempt {
  readonly chunk: Chunk;
  /** Counts the attempts of one Update, from 1. */
  readonly attempt: number;
  /** Sequence → when it was first found in doubt, ms since the epoch. Carried over attempts. */
  readonly doubts: Readonly<Record<string, number>>;
  /** True where this workflow does not know yet which events people dismissed: the activity looks it up. */
  readonly asksForDismissed?: boolean;
}

/** What the activity answers: everything in the chunk is either settled or in `remaining`. */
export interface SettleAttemptResult {
  /** Events settled by this attempt. */
  readonly settled: number;
  /** Events found settled already. */
  readonly duplicates: number;
  /** Sequences that are not settled, ascending. */
  readonly remaining: readonly string[];
  /** Why, for the first few of them. */
  readonly waiting: readonly WaitingReport[];
  readonly doubts: Readonly<Record<string, number>>;
  /** The lowest event that conflicts, if any does. It stands in `remaining` too. */
  readonly conflict?: ConflictReport;
  /** True where Temporal had tried before: that earlier try may still be running somewhere, unheard. */
  readonly retried?: boolean;
  /** Where it was asked: the sequences of this partition that people dismissed, as the database has them. */
  readonly dismissed?: readonly string[];
}

/** The activities that workflows call. */
export interface SettleActivities {
  [SETTLE_ACTIVITY](attempt: SettleAttempt): Promise<SettleAttemptResult>;
}

/**
 * What a person may decide.
 * - `resume`: whatever halts the partition is decided again.
 * - `retry`: the same for one event by name, so that it is not another that is let through.
 * - `dismiss`: the event is passed over, settled as void.
 */
export type DecisionKind = 'resume' | 'retry' | 'dismiss';

/** A decision as the activity is asked to carry it out. 64-bit integers are decimal strings. */
export interface DecideOrder {
  readonly stream: string;
  readonly partition: number;
  readonly decision: DecisionKind;
  readonly sequence: string;
  readonly who: string;
  readonly why: string;
}

/** What a dismissal did to one balance, beside what the engine's book did. */
export interface DismissedBalance {
  readonly user: string;
  readonly asset: number;
  /** The version that the event expected, the one that it would have left, and the one that was found. */
  readonly expected: string;
  readonly after: string;
  readonly found: string;
  /** What the engine's book changed; here nothing changed. */
  readonly availableChange: string;
  readonly frozenChange: string;
  /** `free`: entries of kind void took its versions. Otherwise why they did not (domain/void-decision.ts). */
  readonly place: VoidPlace;
}

/** How the activity ended. */
export type DecideEnding =
  /** Recorded and, for a dismissal, settled as void. */
  | { readonly kind: 'done'; readonly balances: readonly DismissedBalance[] }
  /** Nothing was written, and nothing will be, unless an earlier attempt that nobody hears still runs. */
  | {
      readonly kind: 'refused';
      readonly reason: DecisionRefusal;
      readonly message: string;
      /** There was such an attempt. */
      readonly retried?: boolean;
    };

/** Why a decision was not carried out. */
export type DecisionRefusal =
  | 'not-halted'
  | 'other-halt'
  | 'not-quarantined'
  | 'already-settled'
  | 'dismissal-begun'
  | 'behind'
  | 'in-doubt'
  | 'unavailable';

/** The activity by which workflows carry out decisions. */
export interface DecideActivities {
  [DECIDE_ACTIVITY](order: DecideOrder): Promise<DecideEnding>;
}

/** A partition that waits for a person. */
export interface Halt {
  readonly conflict: ConflictReport;
  /** ISO 8601. */
  readonly since: string;
}

/** Result of the `settle` Update. */
export interface SettleResult {
  /**
   * - `settled`: all of it.
   * - `behind`: something in `remaining` waits for an earlier event; send it again.
   * - `halted`: the partition waits for a person; `halt` says why. Sending again is harmless.
   * - `unavailable`: the storage did not answer within the Update's bound; send again.
   */
  readonly outcome: 'settled' | 'behind' | 'halted' | 'unavailable';
  readonly settled: number;
  readonly remaining: readonly string[];
  readonly waiting: readonly WaitingReport[];
  readonly attempts: number;
  readonly halt?: Halt;
  /** The storage's last error, for `unavailable`. */
  readonly problem?: string;
}

/** With `stale-lease`: the newest lease that the workflow has seen. */
export interface SeenLease {
  readonly lease: string;
}

/** Limits of an Update, so that every one ends (the design's bound on time and attempts). */
export interface PartitionLimits {
  /** Attempts of one Update. */
  readonly attemptsMax: number;
  /** Time after which an Update makes no further attempt, ms. */
  readonly updateMsMax: number;
  /** First and longest wait between attempts, ms; it doubles in between. */
  readonly waitMsFirst: number;
  readonly waitMsMax: number;
  /** Start-to-close of one activity attempt, ms; longer than the settler's own bound. */
  readonly activityMsMax: number;
  /** Without a heartbeat for so long an attempt counts as dead, ms. */
  readonly heartbeatMsMax: number;
  /** Updates after which the run continues as new. Below the server's 2 000. */
  readonly updatesPerRunMax: number;
  /** Events of history after which the run continues as new. */
  readonly historyEventsMax: number;
  /**
   * Bytes of history after which the run continues as new. A worker that takes a partition over replays them, and all its
   * partitions at once after an outage; nothing settles meanwhile. Also, histories are there to be read.
   */
  readonly historyBytesMax?: number;
}

/** Argument of the partition workflow. Given by whoever starts it; carried from run to run, with the newest limits. */
export interface PartitionInput {
  readonly stream: string;
  readonly partition: number;
  readonly limits: PartitionLimits;
  /** What a former run hands on. */
  readonly carried?: {
    readonly lease: string;
    readonly settledTotal: string;
    readonly halt?: Halt;
    /** Sequence → when it was first found in doubt, ms since the epoch, for events not settled yet. */
    readonly doubts?: Readonly<Record<string, number>>;
    /** See {@link PartitionStatus.quietAt}. */
    readonly quietAtMs?: number;
    /** Sequences that people dismissed, the newest of them; absent where it is not known. */
    readonly dismissed?: readonly string[];
    /** Sequences whose dismissal was begun: they can only be dismissed. */
    readonly dismissing?: readonly string[];
    /** Until then an attempt at one of these that nobody hears may be running, ms since the epoch. */
    readonly lingersUntilMs?: number;
  };
}

/** Default {@link PartitionLimits}. */
export const PARTITION_LIMITS: PartitionLimits = {
  attemptsMax: 12,
  updateMsMax: 30_000,
  waitMsFirst: 250,
  waitMsMax: 4_000,
  activityMsMax: 30_000,
  heartbeatMsMax: 4_000,
  updatesPerRunMax: 1_500,
  historyEventsMax: 12_000,
  historyBytesMax: 1_000_000,
};

/** Argument of the `resume` Update. */
export interface ResumeRequest {
  readonly who: string;
  readonly why: string;
}

/** Result of the `resume` Update. */
export interface ResumeResult {
  /** The halt that was lifted; absent where the partition was not halted. */
  readonly lifted?: Halt;
}

/** Argument of the `decide` Update. */
export interface DecideRequest {
  readonly decision: DecisionKind;
  /** The event that is meant; of a `resume` whatever halts the partition. */
  readonly sequence?: string;
  readonly who: string;
  readonly why: string;
}

/** Result of the `decide` Update. */
export type DecideResult =
  | {
      readonly outcome: 'done';
      /** The event that was decided about. */
      readonly sequence: string;
      /** The halt that was lifted, if there was one. */
      readonly lifted?: Halt;
      /** Of a dismissal: each of the event's balances. */
      readonly balances?: readonly DismissedBalance[];
    }
  | {
      readonly outcome: 'refused';
      readonly reason: DecisionRefusal;
      readonly message: string;
      /** What halts the partition, if anything does. */
      readonly halt?: Halt;
    };

/** Answer of the `status` query. */
export interface PartitionStatus {
  readonly stream: string;
  readonly partition: number;
  readonly lease: string;
  /** Events that Updates of this workflow reported settled, over all its runs. */
  readonly settledTotal: string;
  /** Updates that have begun and not ended. */
  readonly unfinished: number;
  /** The chunks of those that settle, as {@link chunkUpdateId} names them. Absent where an older worker answers. */
  readonly underWay?: readonly string[];
  readonly waiting: readonly WaitingReport[];
  readonly halt?: Halt;
  /** Sequences whose dismissal was begun and not finished: the partition waits until it is repeated. */
  readonly dismissing?: readonly string[];
  /**
   * ISO 8601. Until then an attempt that timed out may still be running on a worker that nobody hears. Absent where
   * every attempt has answered.
   */
  readonly quietAt?: string;
}
