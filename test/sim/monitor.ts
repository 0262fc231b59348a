/**
 * Watches a run while it happens, for what an end alone would not show: that lines precede sending (I1b), that nobody
 * who lost the lease sends what his successor cannot know of, that a watermark speaks of settled events only (I7), and
 * that writes at one time are the same bytes (I2).
 */
import { sequenceOfRow } from '../../src/domain/chunk.ts';
import type { Chunk } from '../../src/workflows/contract.ts';
import type { Database } from './database.ts';
import type { Engine } from './engine.ts';
import { durableWatermark, linePlace, missingOf, newestLease } from './stored.ts';

/** Cells that may differ between two writes of one time: who settled it, and under which lease it was logged (I2). */
const MAY_DIFFER = new Set(['settled_by', 'lease']);
/** The same where an engine states no times: the ingest's stamps. */
const STAMPS = new Set(['updated_at', 'time', 'settled_at', 'created_at', 'trade_date']);
const KEPT_BY_VERSION = ['user_balances', 'settled_trades', 'ledger_events', 'ledger_entries', 'stream_log'];

/** What a monitor watches. */
export interface MonitorOptions {
  readonly engine: Engine;
  /** True: the engine states no times. */
  readonly stampless: boolean;
  database(): Database;
  readonly violation: (what: string) => void;
}

/** Watches one run. */
export class Monitor {
  readonly #options: MonitorOptions;
  /** Every line up to here is there for every quorum. */
  #linesTo = 0n;
  /** Every event up to here is settled for every quorum. */
  #settledTo = 0n;
  /** How far the lines were there when a lease was taken. */
  readonly #linesAtLease = new Map<bigint, bigint>();
  /** Sequences that state a version again, and whose. */
  readonly rivals = new Map<bigint, bigint>();
  /** True once two authorities or a hand have written: then ties say nothing. */
  isTampered = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  /** A chunk is about to leave an ingest. */
  sent(chunk: Chunk): void {
    const database = this.#options.database();
    const last = BigInt(chunk.last);
    this.#followLines();
    if (this.#linesTo < last) {
      const missing = this.#linesTo + 1n;
      this.#options.violation(
        `I1b: chunk ${chunk.first}-${chunk.last} is sent while line ${missing} is not acknowledged at quorum`,
      );
    }
    this.#checkRivals(chunk);
    const lease = BigInt(chunk.lease);
    if (newestLease(database) <= lease) return;
    const linesThen = this.#linesAtLease.get(lease + 1n) ?? 0n;
    const unknown = [...chunk.trades.rows, ...chunk.ledgerEvents.rows].find(
      (row) => BigInt(sequenceOfRow(row)) > linesThen,
    );
    if (unknown !== undefined)
      this.#options.violation(
        `I1b: lease ${lease} sends sequence ${sequenceOfRow(unknown)}, whose line was not there when lease ${lease + 1n} was taken: ` +
          `the lease was not checked after the line was acknowledged`,
      );
  }

  /** An event must not be sent on while the one is in flight whose version it states again (I1c). */
  #checkRivals(chunk: Chunk): void {
    const { engine, violation } = this.#options;
    for (const [sequence, rival] of this.rivals) {
      const event = engine.stated[Number(rival) - 1];
      const rows = [...chunk.trades.rows, ...chunk.ledgerEvents.rows];
      if (!event || !rows.some((row) => sequenceOfRow(row) === `${sequence}`)) continue;
      if (missingOf(this.#options.database(), event) !== undefined)
        violation(
          `I1c: sequence ${sequence} is sent while ${rival}, which has the same version, is in flight`,
        );
    }
  }

  /** A lease was taken. */
  leaseTaken(): void {
    this.#followLines();
    const lease = newestLease(this.#options.database());
    if (!this.#linesAtLease.has(lease)) this.#linesAtLease.set(lease, this.#linesTo);
  }

  /** A watermark has reached the database. */
  watermarkWritten(watermark: bigint): void {
    const { engine, violation } = this.#options;
    while (this.#settledTo < watermark) {
      const sequence = this.#settledTo + 1n;
      const event = engine.stated[Number(sequence) - 1];
      const missing = event ? missingOf(this.#options.database(), event) : 'that it was ever stated';
      if (missing !== undefined || engine.bad.has(sequence)) {
        violation(
          `I7: watermark ${watermark} is written while sequence ${sequence} lacks ${missing ?? 'truth'}`,
        );
        return;
      }
      this.#settledTo = sequence;
    }
  }

  /** An ingest gave room, or told its engine, up to a watermark. */
  acknowledged(watermark: bigint): void {
    const durable = durableWatermark(this.#options.database());
    if (watermark > durable)
      this.#options.violation(`I7: ${watermark} is acknowledged, the persisted watermark is ${durable}`);
  }

  /** Two writes of one cell at one time differ. */
  tie(partition: string, column: string, a: unknown, b: unknown): void {
    if (this.isTampered || MAY_DIFFER.has(column)) return;
    if (this.#options.stampless && STAMPS.has(column)) return;
    const [table = ''] = partition.split('|');
    if (!KEPT_BY_VERSION.includes(table)) return;
    this.#options.violation(
      `I2: ${column} of ${partition} was written twice at one time, as ${shown(a)} and ${shown(b)}`,
    );
  }

  #followLines(): void {
    const database = this.#options.database();
    while (database.isDurable(...linePlace(this.#linesTo + 1n), () => true)) this.#linesTo += 1n;
  }
}

function shown(value: unknown): string {
  if (Buffer.isBuffer(value)) return value.toString('hex').slice(0, 16);
  return value instanceof Date ? value.toISOString() : `${value as bigint | string}`;
}
