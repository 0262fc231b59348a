/**
 * The bench on which tests damage a database: one small stream, settled once a file, and put back after each test.
 */
import type { Client } from 'cassandra-driver';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { audit, type AuditOptions, type AuditReport, type FindingKind } from '../../src/audit/index.ts';
import { freshKeyspace, type TestDatabase } from '../support/database.ts';
import { settleStream, type SettledStream } from '../support/settled-stream.ts';
import { Image, type ImageTable, type Row } from './image.ts';

/** A settled stream to be damaged. */
export class DamagedStream {
  #database: TestDatabase | undefined;
  #image: Image | undefined;
  #settled: SettledStream | undefined;

  /** Settles the stream before a file's tests, puts it back after each, and removes it at the end. */
  constructor() {
    beforeAll(async () => {
      this.#database = await freshKeyspace();
      const { client } = this.#database;
      this.#settled = await settleStream(client, { scenario: 'random', trades: 60, users: 8, seed: 3 });
      this.#image = await Image.take(client);
    });
    afterEach(() => this.image.restore());
    afterAll(() => this.#database?.drop());
  }

  get client(): Client {
    if (!this.#database) throw new Error('no database yet');
    return this.#database.client;
  }

  get image(): Image {
    if (!this.#image) throw new Error('no image yet');
    return this.#image;
  }

  get settled(): SettledStream {
    if (!this.#settled) throw new Error('not settled yet');
    return this.#settled;
  }

  /** The first row of the image that holds. */
  pick(table: ImageTable, holds: (row: Row) => boolean): Row {
    const row = this.image.rows(table).find(holds);
    if (!row) throw new Error(`no such row in ${table}`);
    return row;
  }

  check(options: AuditOptions = {}): Promise<AuditReport> {
    return audit(this.client, { ranges: 2, record: false, ...options });
  }

  /** Audits, and expects findings of just these kinds. */
  async expectFound(...kinds: readonly FindingKind[]): Promise<AuditReport> {
    const report = await this.check();
    if (report.ok || report.findingsTotal !== report.findings.length || !report.complete)
      throw new Error(`the report does not agree with itself: ${JSON.stringify(report)}`);
    const found = kindsOf(report);
    if (found.join() !== [...kinds].sort().join())
      throw new Error(
        `found ${found.join(', ') || 'nothing'} instead of ${kinds.join(', ')}: ${JSON.stringify(report.findings, undefined, 1)}`,
      );
    return report;
  }

  /** A balance with many versions, and some money. */
  busyBalance(): Row {
    return this.pick('user_balances', (row) => big(row, 'version') > 6n && big(row, 'available') > 10n);
  }

  entryAt(balance: Row, version: bigint): Row {
    return this.pick('ledger_entries', (row) => isOf(balance)(row) && row['version'] === version);
  }
}

/** The kinds that a report found, each once. */
export function kindsOf(report: AuditReport): FindingKind[] {
  return [...new Set(report.findings.map(({ kind }) => kind))].sort();
}

export const big = (row: Row, column: string): bigint => row[column] as bigint;

/** Of the same balance. */
export const isOf =
  (one: Row) =>
  (row: Row): boolean =>
    row['user_id'] === one['user_id'] && row['asset_id'] === one['asset_id'];

/** Of the same version of the same balance. */
export const isAt =
  (one: Row) =>
  (row: Row): boolean =>
    isOf(one)(row) && row['version'] === one['version'];

/** Of the same event. */
export const isSequence =
  (one: Row) =>
  (row: Row): boolean =>
    row['sequence'] === one['sequence'];

/** The same bytes but for one bit. */
export function flipped(value: unknown): Buffer {
  const bytes = Buffer.from(value as Buffer);
  bytes[5] = (bytes[5] ?? 0) ^ 1;
  return bytes;
}
