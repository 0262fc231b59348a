/** What an ingest is made of. */
import type { Client as TemporalClient } from '@temporalio/client';
import type { Client as CassandraClient } from 'cassandra-driver';
import type { CurveOptions } from '../curve/sockets.ts';
import type { StorageOptions } from '../ledger/storage.ts';
import type { Logger } from '../logging/index.ts';
import type { Dialect } from '../wire/message.ts';
import type { PartitionLimits } from '../workflows/contract.ts';
import type { HeldLease } from './lease.ts';
import type { ChunkBounds } from './partition-lane.ts';
import type { ResumptionLimits } from './resumption.ts';

/** Connections, the stream, and bounds. */
export interface IngestOptions {
  readonly cassandra: CassandraClient;
  readonly temporal: TemporalClient;
  readonly log: Logger;
  readonly stream: string;
  readonly dialect: Dialect;
  readonly partitions: number;
  readonly endpoint: string;
  readonly bind: boolean;
  /** Our CURVE keys and the engine's; the sockets are in the clear where left out. */
  readonly curve?: CurveOptions | undefined;
  /** The engine's control socket, opened like the other; undefined for an engine that can't send again. */
  readonly controlEndpoint?: string | undefined;
  /** @default RESUMPTION_LIMITS */
  readonly resumption?: ResumptionLimits;
  readonly taskQueue: string;
  /** By which it may feed the stream; whoever took it releases it when the ingest has ended. */
  readonly lease: HeldLease;
  readonly maxInFlightEvents: number;
  readonly receiveHighWaterMark: number;
  readonly chunk: ChunkBounds;
  /** @default PARTITION_LIMITS */
  readonly limits?: PartitionLimits;
  /** Divisor of price × quantity for an instrument; 1 where none is configured. */
  divisorOf(base: number, quote: number): bigint;
  /** How long events in flight may take to settle when the ingest ends, ms. @default 30 000 */
  readonly drainMsMax?: number;
  /**
   * Goes on with a classic stream that stopped, on a person's word. Without it such a stream stays closed: its later
   * events would be settled as if nothing had been missing. A numbered stream stops at the same place by itself.
   */
  readonly afterStop?: boolean;
  /** Consistency of reads and writes. @default LOCAL_QUORUM */
  readonly storage?: StorageOptions;
  /** How long a classic stream may take to come to rest before its ingest refuses to open it, ms. @default 45 000 */
  readonly unfinishedMsMax?: number;
}
