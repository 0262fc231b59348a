/**
 * Why a stream stops. A stop is an expected ending: everything accepted before it is settled, nothing after it is
 * touched, and it names the place. The words are stable; `settled demo --json` and the `streams` table carry them.
 */

/** Reasons of a stop. */
export type StopReason =
  /** Sequences are missing, and the engine cannot send them, or does not. */
  | 'hole'
  /** A message whose sequence can be read is no valid event. */
  | 'rejected'
  /** A message differs from what was received under its number before. */
  | 'other-content'
  /** A version that the engine stated does not continue the balance. */
  | 'version-mismatch'
  /** A classic engine announced more than there is: a withdrawal or unlock that the balance does not cover. */
  | 'insufficient-balance'
  /** A partition waits for a person. */
  | 'conflict'
  /** Another ingest has taken the stream over. */
  | 'lease-lost'
  /** Our lease could not be renewed in time: another ingest may have taken the stream over. */
  | 'lease-expired'
  /** We hold the stream's lease, but engine or workflows have heard of a higher one: the database was restored. */
  | 'lease-behind'
  /** A workflow refused a chunk as none of ours: ingest and worker are of different versions. */
  | 'bad-chunk';

/** Where and why a stream stopped. 64-bit integers are decimal strings: it goes out as JSON. */
export interface Stop {
  readonly reason: StopReason;
  /** The sequence at which it stopped: the first that is not accepted. */
  readonly sequence: string;
  /** What happened and what to do next, for a person. */
  readonly message: string;
  /** The higher lease that engine or workflows have heard of. */
  readonly heard?: string;
  readonly event?: string;
  readonly user?: string;
  readonly asset?: number;
  readonly expected?: string;
  readonly stated?: string;
}

/** Ends the reading of a stream; caught by the ingest, never by a crash. */
export class StreamStopped extends Error {
  override readonly name = 'StreamStopped';
  readonly stop: Stop;

  constructor(stop: Stop) {
    super(`stream stopped at sequence ${stop.sequence} (${stop.reason}): ${stop.message}`);
    this.stop = stop;
  }
}
