/**
 * Ledger entries after their events' batches (I1a): gathered by account and bucket over many events, written in
 * unlogged batches, a bounded number at once. An event is reported only when its last entry is acknowledged.
 */
import { entryBucket, type LedgerEntry } from '../domain/entries.ts';
import type { Clock } from './clock.ts';
import type { SettlerLimits } from './limits.ts';
import type { SettlementStorage } from './port.ts';
import { untilWritten } from './repeat.ts';

/** The entries of one event on their way. */
interface Order {
  left: number;
  resolve(): void;
  reject(error: unknown): void;
}

interface Queued {
  readonly entry: LedgerEntry;
  readonly order: Order;
}

/** Gathers and writes entries. */
export class EntryWriter {
  readonly #storage: SettlementStorage;
  readonly #clock: Clock;
  readonly #limits: SettlerLimits;
  readonly #accounts = new Map<string, Queued[]>();
  #inFlight = 0;
  #pumping = false;

  constructor(storage: SettlementStorage, clock: Clock, limits: SettlerLimits) {
    this.#storage = storage;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Writes the entries of one event; resolves when all are acknowledged. */
  write(entries: readonly LedgerEntry[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const order: Order = { left: entries.length, resolve, reject };
      if (order.left === 0) resolve();
      for (const entry of entries) {
        const account = `${entry.userId}/${entry.assetId}/${entryBucket(entry.version)}`;
        const queue = this.#accounts.get(account);
        if (queue) queue.push({ entry, order });
        else this.#accounts.set(account, [{ entry, order }]);
      }
      this.#pump();
    });
  }

  /** Starts writes in the next turn, so that entries that come together are gathered. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      for (const [account, queue] of this.#accounts) {
        if (this.#inFlight >= this.#limits.entryWritesInFlightMax) return;
        this.#accounts.delete(account);
        const part = queue.splice(0, this.#storage.entriesPerWriteMax);
        if (queue.length > 0) this.#accounts.set(account, queue);
        this.#inFlight += 1;
        void this.#send(account, part);
      }
    });
  }

  async #send(account: string, part: readonly Queued[]): Promise<void> {
    try {
      const entries = part.map(({ entry }) => entry);
      await untilWritten(this.#clock, this.#limits, `writing ledger entries of ${account}`, () =>
        this.#storage.writeEntries(entries),
      );
      for (const { order } of part) {
        order.left -= 1;
        if (order.left === 0) order.resolve();
      }
    } catch (error) {
      for (const { order } of part) order.reject(error);
    } finally {
      this.#inFlight -= 1;
      this.#pump();
    }
  }
}
