/**
 * Settles a dismissed event as void (domain/void.ts): its row, marked, and the balances whose versions it takes in one
 * LOGGED BATCH (I1), then their entries (I1a). An attempt that was cut off is finished by the next from the event's own
 * row, or decides the same again, since nothing else may touch those versions while the event is undecided: so every
 * attempt, also one that nobody hears any more, writes the same bytes (I2, I3, I5).
 */
import type { Balance } from '../domain/balance.ts';
import type { CalculatedLeg } from '../domain/calculate.ts';
import type { Mismatch } from '../domain/decision.ts';
import { entriesOf } from '../domain/entries.ts';
import { legsOf, touchesOf, type Leg, type Touch } from '../domain/legs.ts';
import { decideVoid, type VoidDecision, type VoidPlace } from '../domain/void-decision.ts';
import { calculateVoid, voidTouchesOf } from '../domain/void.ts';
import { pause, systemClock, type Clock } from './clock.ts';
import { SETTLER_LIMITS } from './limits.ts';
import type { BalanceWrite, DigestedEvent, StoredBalance, StoredVoidRow, VoidStorage } from './port.ts';
import { untilWritten } from './repeat.ts';

/** What a dismissal does, or did, to one balance, beside what the engine did to it. */
export interface VoidBalance extends Touch {
  /** The version found. */
  readonly found: bigint;
  /** What the engine's book changed, over all steps; here nothing changes. */
  readonly availableChange: bigint;
  readonly frozenChange: bigint;
  /** `free`: the void takes, or took, its versions. */
  readonly place: VoidPlace;
}

/** How an attempt at a dismissal ended, or what one would find. */
export type VoidOutcome =
  | { readonly kind: 'void' | 'dismissed'; readonly balances: readonly VoidBalance[] }
  | { readonly kind: 'settled' }
  | { readonly kind: 'behind' | 'doubt'; readonly balance: Mismatch };

/** An event to be dismissed. */
export interface VoidRequest extends DigestedEvent {
  readonly stream: string;
  /** One cell that leads from the row to the run, and to who decided why (I11). */
  readonly settledBy: string;
  /** How long a doubt is looked at again, ms. */
  readonly attemptMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Called before the first write: from then on the event can only be dismissed. */
  beforeWrite(): Promise<void>;
}

interface Seen {
  readonly decision: VoidDecision;
  readonly row: StoredVoidRow | undefined;
  readonly stored: readonly StoredBalance[];
}

const LOOK_MS = 200;
const WRITE_LIMITS = { ...SETTLER_LIMITS, writeMsMax: 10_000 };

/** Dismisses events, one at a time. */
export class VoidSettlement {
  readonly #storage: VoidStorage;
  readonly #clock: Clock;

  constructor(storage: VoidStorage, clock: Clock = systemClock) {
    this.#storage = storage;
    this.#clock = clock;
  }

  /** What a dismissal would do now. Writes nothing. */
  async preview(stream: string, event: DigestedEvent): Promise<VoidOutcome> {
    return outcomeOf(event, await this.#look(stream, event));
  }

  /**
   * Settles the event as void, or finishes that. Only an outcome of kind `dismissed` leaves anything written.
   *
   * @throws the storage's error, or Error if a write keeps timing out; what was written is found by the next attempt
   */
  async settle(request: VoidRequest): Promise<VoidOutcome> {
    const { stream, attemptMs, signal } = request;
    const startedMs = this.#clock.now();
    for (;;) {
      signal?.throwIfAborted();
      const seen = await this.#look(stream, request);
      const { decision, row } = seen;
      if (decision.kind === 'doubt' && this.#clock.now() - startedMs < attemptMs) {
        await pause(this.#clock, LOOK_MS);
        continue;
      }
      const outcome = outcomeOf(request, seen);
      if (decision.kind === 'dismissed' && row?.kind === 'dismissed') {
        await request.beforeWrite();
        await this.#write(stream, row, row.legs, row.settledBy);
        return outcome;
      }
      if (decision.kind !== 'void' || outcome.kind !== 'void') return outcome;
      await request.beforeWrite();
      signal?.throwIfAborted();
      const { event, digest, settledBy } = request;
      const legs = legsOf(event);
      const { places } = decision;
      const result = calculateVoid(event.sequence, digest, legs, touchesOf(legs), places, seen.stored);
      if (places.includes('free')) await this.#write(stream, { event, digest }, result.legs, settledBy);
      return { kind: 'dismissed', balances: outcome.balances };
    }
  }

  /** The watermark first, since one read later could speak of events whose balances were read before. */
  async #look(stream: string, event: DigestedEvent): Promise<Seen> {
    const touches = touchesOf(legsOf(event.event));
    const watermarkBefore = await this.#storage.readWatermark(stream);
    const [row, stored] = await Promise.all([
      this.#storage.readVoidRow(stream, event),
      this.#storage.readBalances(touches),
    ]);
    const seen = await Promise.all(
      touches.map(async (touch, index) => {
        const balance = stored[index];
        if (!balance) throw new Error(`void: balance ${touch.userId}/${touch.assetId} was not read`);
        const origin =
          balance.version > touch.expectedVersion
            ? await this.#storage.readEntryOrigin(touch, touch.expectedVersion + 1n)
            : undefined;
        return {
          ...touch,
          foundVersion: balance.version,
          foundLastSequence: balance.lastSequence,
          writeTimeNormal: balance.writeTimeNormal,
          // Another stream may have the same number.
          takenBy:
            origin &&
            (origin.stream === stream && origin.sequence === event.event.sequence
              ? ('own' as const)
              : ('other' as const)),
        };
      }),
    );
    const ownRow = row?.kind ?? 'absent';
    return {
      decision: decideVoid({ sequence: event.event.sequence, touches: seen, ownRow, watermarkBefore }),
      row,
      stored,
    };
  }

  async #write(
    stream: string,
    { event, digest }: DigestedEvent,
    legs: readonly (CalculatedLeg | undefined)[],
    settledBy: string,
  ): Promise<void> {
    const what = `dismissing sequence ${event.sequence} of stream ${stream}`;
    const taken = legs.filter((leg) => leg !== undefined);
    const batch = {
      events: [this.#storage.encodeVoid(stream, { event, digest }, legs, settledBy)],
      balances: balanceWrites(event.sequence, event.timeMs, taken),
    };
    await untilWritten(this.#clock, WRITE_LIMITS, what, () => this.#storage.writeBatch(batch));
    const entries = entriesOf(stream, event, taken);
    await untilWritten(this.#clock, WRITE_LIMITS, `${what}: its ledger entries`, () =>
      this.#storage.writeEntries(entries),
    );
  }
}

/** Every balance that the legs changed, once, at its last version (I1). */
function balanceWrites(sequence: bigint, timeMs: number, legs: readonly CalculatedLeg[]): BalanceWrite[] {
  const writes = new Map<string, BalanceWrite>();
  for (const { userId, assetId, steps } of legs) {
    const last = steps.at(-1);
    if (!last) continue;
    const balance: Balance = {
      available: last.availableAfter,
      frozen: last.frozenAfter,
      version: last.version,
      lastSequence: sequence,
      chain: last.chain,
    };
    writes.set(`${userId}/${assetId}`, { userId, assetId, balance, timeMs });
  }
  return [...writes.values()];
}

function outcomeOf({ event }: DigestedEvent, { decision, row, stored }: Seen): VoidOutcome {
  if (decision.kind === 'behind' || decision.kind === 'doubt') return decision;
  if (decision.kind === 'settled') return decision;
  const legs = legsOf(event);
  const took = row?.kind === 'dismissed' ? voidTouchesOf(row.legs) : [];
  const balances = touchesOf(legs).map((touch, index): VoidBalance => {
    const found = stored[index]?.version ?? 0n;
    const isTook = took.some((one) => one.userId === touch.userId && one.assetId === touch.assetId);
    const place: VoidPlace =
      decision.kind === 'void'
        ? (decision.places[index] ?? 'taken')
        : isTook
          ? 'free'
          : found < touch.expectedVersion
            ? 'gap'
            : 'taken';
    return { ...touch, found, place, ...engineChange(legs, touch) };
  });
  return { kind: decision.kind, balances };
}

/** What the engine's book changed of one balance. */
export function engineChange(
  legs: readonly Leg[],
  { userId, assetId }: Touch,
): { availableChange: bigint; frozenChange: bigint } {
  let availableChange = 0n;
  let frozenChange = 0n;
  for (const leg of legs)
    if (leg.userId === userId && leg.assetId === assetId)
      for (const step of leg.steps) {
        availableChange += step.availableChange;
        frozenChange += step.frozenChange;
      }
  return { availableChange, frozenChange };
}
