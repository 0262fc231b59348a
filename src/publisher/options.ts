/** What a publisher is made of, with its bounds, and what it tells. */
import type { CurveOptions } from '../curve/sockets.ts';

/** How to open a publisher. */
export interface PublisherOptions {
  /** Name of the stream, as `settled ingest --stream` has it: up to 40 lower-case letters, digits and dashes. */
  readonly stream: string;
  /** Folder of the outbox, made if need be. One process, one stream. */
  readonly outbox: string;
  /** PUSH socket, `tcp://HOST:PORT`. When binding, port `0` or `*` takes a free one. */
  readonly endpoint: string;
  /** Control socket (ROUTER), bound or connected like the other. */
  readonly controlEndpoint: string;
  /** Connect both sockets to an ingest that binds. @default false: bind */
  readonly connect?: boolean;
  /** The first number of a stream whose outbox is new. @default 1n */
  readonly firstSequence?: bigint;
  /** Events that are not known to be settled, at most. @default 5 000 000 */
  readonly eventsMax?: number;
  /** Bytes of their messages, at most. At least 1 MiB. @default 2 GiB */
  readonly bytesMax?: number;
  /**
   * At that bound: `wait` makes `publish` wait until something is settled, `refuse` makes it fail with OutboxFullError.
   * @default wait
   */
  readonly whenFull?: 'wait' | 'refuse';
  /** Publishes that may wait for the disk or for room at once. @default 10 000 */
  readonly waitingMax?: number;
  /**
   * How long settled events are kept, ms, for a database that is restored to an earlier moment. They give way, the oldest
   * first, where the outbox would hold more than its bounds. @default an hour
   */
  readonly graceMs?: number;
  /** CURVE: our keys and the public keys of the ingests that may connect. In the clear where left out. */
  readonly curve?: Pick<CurveOptions, 'keys' | 'peers'> | undefined;
  /** Messages queued in the PUSH socket, at most. @default 1000 */
  readonly sendHighWaterMark?: number;
  /**
   * Told what a person should know: of each kind the first few, then one in ten seconds with how many were passed over; of
   * refused peers each key once in ten seconds.
   */
  readonly onNotice?: (notice: PublisherNotice) => void;
}

/** Stable words for what a publisher tells. */
export type NoticeKind =
  /** A control message of an ingest that was replaced, ignored. */
  | 'old-lease'
  /** A control message for another stream, ignored: two engines share an address, or two ingests a name. */
  | 'other-stream'
  /** What came on the control socket is no message of ours; it was passed over. */
  | 'bad-control'
  /** An ingest asked for the stream again. */
  | 'resumed'
  /** It asked for what is not there any more; the ingest decides what that means. */
  | 'unavailable'
  /** An ingest knows a higher number than was ever published here: the outbox was lost, or it is another stream's. */
  | 'beyond'
  /** Settled events were trimmed before their time, since the outbox is full. */
  | 'grace-cut'
  /** A peer was refused: its key is not on the list, or it does not speak CURVE. Told once in a while for each key. */
  | 'peer-refused'
  /** The connection to an ingest was lost. What it had not taken is sent again when it asks. */
  | 'peer-lost'
  /** The outbox could not be read or trimmed. */
  | 'outbox-failed';

/** One of these, with a line for people. */
export interface PublisherNotice {
  readonly kind: NoticeKind;
  readonly text: string;
}

/** Bounds in numbers. */
export interface PublisherBounds {
  readonly eventsMax: number;
  readonly bytesMax: number;
  readonly waitingMax: number;
  readonly graceMs: number;
}

const BYTES_MAX_MIN = 1024 * 1024;

/**
 * Fills in the defaults.
 *
 * @throws RangeError naming every bound that makes no sense
 */
export function boundsOf(options: PublisherOptions): PublisherBounds {
  const bounds = {
    eventsMax: options.eventsMax ?? 5_000_000,
    bytesMax: options.bytesMax ?? 2 * 1024 ** 3,
    waitingMax: options.waitingMax ?? 10_000,
    graceMs: options.graceMs ?? 3_600_000,
  };
  const faults: string[] = [];
  const atLeast = (name: keyof PublisherBounds, min: number): void => {
    if (!Number.isSafeInteger(bounds[name]) || bounds[name] < min)
      faults.push(`${name} is ${bounds[name]}, no whole number from ${min}`);
  };
  atLeast('eventsMax', 1);
  atLeast('bytesMax', BYTES_MAX_MIN);
  atLeast('waitingMax', 1);
  atLeast('graceMs', 0);
  if (!/^[a-z0-9-]{1,40}$/.test(options.stream))
    faults.push(
      `stream is ${JSON.stringify(options.stream)}, not up to 40 lower-case letters, digits and dashes`,
    );
  if (faults.length > 0) throw new RangeError(`a publisher can't be opened so: ${faults.join('; ')}`);
  return bounds;
}
