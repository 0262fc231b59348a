/** What an ingest tells of itself: how far it is, and how it ended. It goes out as JSON. */
import type { Halt } from '../workflows/contract.ts';
import type { Stop } from './stop.ts';

/** What an ingest has done so far. Sequences are decimal strings. */
export interface IngestProgress {
  /** Messages received, whatever became of them. */
  readonly messages: number;
  readonly accepted: number;
  readonly duplicates: number;
  /** Rejected messages by reason. */
  readonly rejected: Readonly<Record<string, number>>;
  /** Peers that were refused where we bind, by kind: keys that are not on the list, no CURVE. */
  readonly refusedPeers: Readonly<Record<string, number>>;
  /** Fields that no message should have. */
  readonly unknownFields: number;
  /** How often the engine was asked to send again. */
  readonly resumes: number;
  /** Messages that came behind a hole: they come again after what is missing. */
  readonly dropped: number;
  readonly inFlight: number;
  readonly watermark: string;
  /** Partitions that wait for a person. */
  readonly halted: readonly { readonly partition: number; readonly halt: Halt }[];
}

/** How an ingest ended. */
export interface IngestEnding {
  readonly kind: 'closed' | 'stopped';
  readonly stop?: Stop;
  /** Events that were not settled within the time allowed for it. */
  readonly unsettled: number;
  readonly progress: IngestProgress;
}
