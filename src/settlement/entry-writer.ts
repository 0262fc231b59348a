/**
 * Ledger entries after their events' batches (I1a): gathered by account over many events, as many accounts to an
 * unlogged batch as fit, a few batches at once so that more gather meanwhile. An event is reported only when its last
 * entry is acknowledged.
 */
import { balanceName } from '../domain/balance.ts';
import type { LedgerEntry } from '../domain/entries.ts';
import type { Clock } from './clock.ts';
import type { SettlerLimits } from './limits.ts';
import type { SettlementStorage } from './port.ts';
import { untilWritten } from './repeat.ts';

/** Called once: without an error when all entries of an event are acknowledged, or with the first failure. */
export type EntriesEnded = (error?: unknown) => void;

/** The entries of one event on their way. */
interface Order {
  left: number;
  ended: EntriesEnded | undefined;
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
  /** By account; the one that has waited longest comes first. */
  readonly #accounts = new Map<string, Queued[]>();
  #queued = 0;
  #inFlight = 0;
  #pumping = false;

  constructor(storage: SettlementStorage, clock: Clock, limits: SettlerLimits) {
    this.#storage = storage;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Writes the entries of one event. */
  write(entries: readonly LedgerEntry[], ended: EntriesEnded): void {
    if (entries.length === 0) {
      ended();
      return;
    }
    const order: Order = { left: entries.length, ended };
    for (const entry of entries) {
      const account = balanceName(entry);
      const queue = this.#accounts.get(account);
      if (queue) queue.push({ entry, order });
      else this.#accounts.set(account, [{ entry, order }]);
    }
    this.#queued += entries.length;
    this.#pump();
  }

  /** Starts writes in the next turn, so that entries that come together are gathered. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      while (this.#queued > 0 && this.#inFlight < this.#limits.entryWritesInFlightMax) {
        const part = this.#take();
        this.#inFlight += 1;
        void this.#send(part);
      }
    });
  }

  /** Whole accounts, the one that has waited longest first, as far as one write holds them. */
  #take(): Queued[] {
    const part: Queued[] = [];
    for (const [account, queue] of this.#accounts) {
      const room = this.#storage.entriesPerWriteMax - part.length;
      if (room === 0 || (part.length > 0 && queue.length > room)) break;
      this.#accounts.delete(account);
      part.push(...queue.splice(0, room));
      if (queue.length > 0) this.#accounts.set(account, queue);
    }
    this.#queued -= part.length;
    return part;
  }

  async #send(part: readonly Queued[]): Promise<void> {
    try {
      const entries = part.map(({ entry }) => entry);
      await untilWritten(this.#clock, this.#limits, `writing ${entries.length} ledger entries`, () =>
        this.#storage.writeEntries(entries),
      );
      for (const { order } of part) {
        order.left -= 1;
        if (order.left === 0) this.#tell(order);
      }
    } catch (error) {
      for (const { order } of part) this.#tell(order, error);
    } finally {
      this.#inFlight -= 1;
      this.#pump();
    }
  }

  #tell(order: Order, error?: unknown): void {
    const { ended } = order;
    order.ended = undefined;
    ended?.(error);
  }
}
