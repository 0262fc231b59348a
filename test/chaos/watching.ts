/**
 * Watches a stream's persisted watermark, past every proxy, and tells when it has moved: that is what "back to work"
 * means. Where the database does not answer it asks again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { policies, types, Client } from 'cassandra-driver';
import type { LedgerOptions } from '../../src/ledger/connection.ts';
import { mendDriver } from '../../src/ledger/driver.ts';

const POLL_MS = 100;
const READ_MS_MAX = 2_000;
const RECONNECT_MS = 100;

/** The watermark as last read, and when it last moved. */
export class WatermarkWatch {
  /** Highest that was read. */
  reached = 0n;
  /** When it was seen to move last, by performance.now(). */
  movedAtMs = performance.now();
  readonly #client: Client;
  readonly #driver: ReturnType<typeof mendDriver>;
  readonly #stream: string;
  #closed = false;
  readonly #ended: Promise<void>;

  constructor(options: LedgerOptions, stream: string) {
    this.#stream = stream;
    this.#client = new Client({
      contactPoints: [...options.contactPoints],
      localDataCenter: options.datacenter,
      protocolOptions: { port: options.port },
      keyspace: options.keyspace,
      encoding: { useBigIntAsLong: true },
      socketOptions: { connectTimeout: READ_MS_MAX, readTimeout: READ_MS_MAX },
      queryOptions: { prepare: true, consistency: types.consistencies.localQuorum },
      policies: {
        reconnection: new policies.reconnection.ConstantReconnectionPolicy(RECONNECT_MS),
        retry: new policies.retry.FallthroughRetryPolicy(),
      },
    });
    this.#driver = mendDriver(this.#client);
    this.#ended = this.#poll();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#ended;
    await this.#client.shutdown();
    this.#driver.giveUp();
  }

  async #poll(): Promise<void> {
    const query = 'SELECT watermark FROM streams WHERE stream = ?';
    while (!this.#closed) {
      const row = await this.#client
        .execute(query, [this.#stream])
        .then((result) => result.first() as types.Row | null)
        .catch(() => null);
      const watermark = (row?.['watermark'] as bigint | null | undefined) ?? 0n;
      if (watermark > this.reached) {
        this.reached = watermark;
        this.movedAtMs = performance.now();
      }
      await sleep(POLL_MS);
    }
  }
}
