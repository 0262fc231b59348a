/**
 * The classic adapter: for engines that number trades only and cannot send again. It assigns sequences to all events
 * and versions to ledger events in order of arrival, from balances that it reads once and follows; each trade's own
 * versions check what was assigned. Two known faults of such engines are told apart: a lock above the available amount
 * (phantom), which is recorded as rejected, and trades that are announced again.
 */
import { balanceName } from '../domain/balance.ts';
import { describeEvent, type LedgerEvent, type SettlementEvent, type Trade } from '../domain/event.ts';
import { INT64_MAX } from '../domain/integers.ts';
import { legsOf, touchesOf, type Leg } from '../domain/legs.ts';
import type { BalanceKey } from '../domain/balance.ts';
import { ClassicBook, type BookedBalance } from './classic-book.ts';
import { versionMismatch } from './followed-balances.ts';
import { RecentDigests } from './recent-digests.ts';
import { StreamStopped } from './stop.ts';

/** What the adapter says of an event. */
export type ClassicAdmission =
  | { readonly kind: 'next'; readonly event: SettlementEvent }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'phantom-lock'; readonly available: bigint };

/** What the adapter starts from. */
export interface ClassicOptions {
  /** The last sequence assigned; all up to it is settled. */
  readonly lastSequence: bigint;
  /** `output_sequence` of the last trade settled, 0 where there is none. */
  readonly lastTradeNumber: bigint;
  /** Reads balances from the database. */
  readBalances(keys: readonly BalanceKey[]): Promise<readonly Readonly<BookedBalance>[]>;
  /** The digest of a settled trade's row. */
  readTradeDigest(trade: Trade): Promise<Buffer | undefined>;
  /** Events received and not yet settled, at most. */
  readonly inFlightMax?: number;
}

/** Assigns numbers and versions to a classic stream. */
export class ClassicAdapter {
  readonly #options: ClassicOptions;
  readonly #book: ClassicBook;
  /** By trade number. Of the last ones the rows may not be readable yet. */
  readonly #recent: RecentDigests;
  #sequence: bigint;
  #tradeNumber: bigint;

  constructor(options: ClassicOptions) {
    this.#options = options;
    this.#book = new ClassicBook(options);
    this.#recent = new RecentDigests(options.inFlightMax);
    this.#sequence = options.lastSequence;
    this.#tradeNumber = options.lastTradeNumber;
  }

  /** The last sequence assigned. */
  get received(): bigint {
    return this.#sequence;
  }

  /**
   * Assigns the next sequence, and a ledger event's version, after checking the event against the book.
   *
   * @throws {@link StreamStopped} `version-mismatch`, `hole`, `other-content` or `insufficient-balance`
   */
  async admit(event: SettlementEvent, digest: Buffer): Promise<ClassicAdmission> {
    const numbered = { ...event, sequence: this.#sequence + 1n };
    return numbered.kind === 'trade' ? this.#admitTrade(numbered, digest) : this.#admitLedgerEvent(numbered);
  }

  /** Notes that an admitted event was accepted: the book moves on. */
  accepted(event: SettlementEvent, digest: Buffer): void {
    this.#sequence = event.sequence;
    this.#book.accepted(legsOf(event));
    if (event.kind !== 'trade') return;
    this.#tradeNumber = event.outputSequence;
    this.#recent.set(event.outputSequence, digest);
  }

  /** An event that was accepted is settled: the balances that it touches are held for it no longer. */
  settled(touches: readonly BalanceKey[]): void {
    this.#book.settled(touches);
  }

  async #admitTrade(trade: Trade, digest: Buffer): Promise<ClassicAdmission> {
    if (trade.outputSequence <= this.#tradeNumber) {
      const before = this.#recent.get(trade.outputSequence) ?? (await this.#options.readTradeDigest(trade));
      if (before?.equals(digest)) return { kind: 'duplicate' };
      throw otherTrade(trade, this.#tradeNumber);
    }
    const touches = touchesOf(legsOf(trade));
    const balances = await this.#book.read(touches);
    for (const [index, touch] of touches.entries()) {
      const version = balances[index]?.version ?? 0n;
      if (version !== touch.expectedVersion) throw versionMismatch(trade, touch, version);
    }
    if (trade.outputSequence !== this.#tradeNumber + 1n) throw missingTrades(trade, this.#tradeNumber + 1n);
    this.#requireCover(trade);
    return { kind: 'next', event: trade };
  }

  async #admitLedgerEvent(stated: LedgerEvent): Promise<ClassicAdmission> {
    const [balance] = await this.#book.read([{ userId: stated.userId, assetId: stated.currency }]);
    const event: LedgerEvent = { ...stated, version: balance?.version ?? 0n };
    const available = balance?.available ?? 0n;
    if (event.kind === 'lock' && event.amount > available) return { kind: 'phantom-lock', available };
    this.#requireCover(event);
    return { kind: 'next', event };
  }

  /** An event that would leave a balance negative or above 63 bits can't have happened as announced. */
  #requireCover(event: SettlementEvent): void {
    const after = new Map<string, BookedBalance>();
    for (const leg of legsOf(event)) {
      const name = balanceName(leg);
      const balance = after.get(name) ?? {
        ...(this.#book.get(name) ?? { available: 0n, frozen: 0n, version: 0n }),
      };
      after.set(name, balance);
      for (const step of leg.steps) {
        balance.available += step.availableChange;
        balance.frozen += step.frozenChange;
        if ([balance.available, balance.frozen].some((value) => value < 0n || value > INT64_MAX))
          throw uncovered(event, leg, this.#book.get(name));
      }
    }
  }
}

function uncovered(
  event: SettlementEvent,
  leg: Leg,
  before: Readonly<BookedBalance> | undefined,
): StreamStopped {
  return new StreamStopped({
    reason: 'insufficient-balance',
    sequence: event.sequence.toString(),
    event: describeEvent(event),
    user: leg.userId.toString(),
    asset: leg.assetId,
    expected: (before?.version ?? 0n).toString(),
    stated: leg.expectedVersion.toString(),
    message:
      `${describeEvent(event)} would leave balance ${balanceName(leg)} (available ${before?.available ?? 0n}, frozen ` +
      `${before?.frozen ?? 0n}) negative or above 2^63-1: an event before it is missing, or the engine refused it and ` +
      `announced it all the same. Nothing from this event on is settled`,
  });
}

function otherTrade(trade: Trade, last: bigint): StreamStopped {
  return new StreamStopped({
    reason: 'other-content',
    sequence: trade.sequence.toString(),
    event: describeEvent(trade),
    expected: (last + 1n).toString(),
    stated: trade.outputSequence.toString(),
    message:
      `trade ${trade.tradeId} states output_sequence ${trade.outputSequence}, which was used by another trade: the ` +
      `engine restarted its numbering. Give the new numbering a stream of its own (--stream)`,
  });
}

function missingTrades(trade: Trade, expected: bigint): StreamStopped {
  return new StreamStopped({
    reason: 'hole',
    sequence: trade.sequence.toString(),
    event: describeEvent(trade),
    expected: expected.toString(),
    stated: trade.outputSequence.toString(),
    message:
      `trades with output_sequence ${expected} to ${trade.outputSequence - 1n} are missing before trade ` +
      `${trade.tradeId}, and a classic engine cannot send again. Everything before is settled; compare the engine's ` +
      `book with "settled verify --oracle"`,
  });
}
