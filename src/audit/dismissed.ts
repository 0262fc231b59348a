/**
 * Dismissed events: what people passed over, gathered from their decisions and from the rows that carry the mark. They
 * are no findings, and never hidden: each is reported with who decided it, why, and what the engine's book has of it
 * that this one has not (I6). Held in memory: a person decided about each.
 */
import { balanceName } from '../domain/balance.ts';
import { parseRow } from '../domain/chunk.ts';
import { contentDigest } from '../domain/digest.ts';
import { describeEvent, type EventKind, type SettlementEvent } from '../domain/event.ts';
import { legsOf, touchesOf } from '../domain/legs.ts';

/** What the engine's book changed of one balance by a dismissed event, and this one did not. */
export interface DismissedChange {
  readonly user: string;
  readonly asset: number;
  readonly availableChange: string;
  readonly frozenChange: string;
  /** Versions by which the engine's balance moved on. */
  readonly versions: number;
  /** True where entries of kind void took those versions; otherwise another event has them, or nobody. */
  readonly taken: boolean;
}

/** A dismissed event as it is reported. */
export interface DismissedEvent {
  readonly stream: string;
  readonly sequence: string;
  /** "trade 7 (sequence 12)"; undefined where neither row nor quarantine can be read. */
  readonly event?: string;
  /** False while its void is still to be written. */
  readonly finished: boolean;
  /** True where it stands as a row with the mark; without, none of its versions was free. */
  readonly row: boolean;
  readonly who?: string;
  readonly why?: string;
  readonly at?: string;
  readonly balances: readonly DismissedChange[];
}

/** A decision out of the quarantine. */
export interface Decision {
  readonly stream: string;
  readonly sequence: bigint;
  readonly kind: EventKind | null;
  /** domain/chunk.ts */
  readonly row: string | null;
  readonly word: string;
  readonly who: string | null;
  readonly why: string | null;
  readonly at: Date | null;
}

/** The row of a dismissed event, as far as it matters here. */
export interface DismissedRow {
  readonly stream: string;
  readonly event: SettlementEvent;
  /** "user/asset" of the balances whose versions it took. */
  readonly took: ReadonlySet<string>;
  readonly settledBy: string;
}

/** Dismissed events that a report names at most; all are counted. */
export const DISMISSED_NAMED_MAX = 1_000;

/** The word of a decision whose void is written. */
const DONE = 'dismissed';

interface Known {
  readonly stream: string;
  readonly sequence: bigint;
  event?: SettlementEvent;
  decision?: Decision;
  row?: DismissedRow;
}

/** What the engine's book has of one balance beyond this one. */
export interface Beyond {
  readonly available: bigint;
  readonly frozen: bigint;
  /** Versions that no entry of kind void took. */
  readonly versions: bigint;
}

/** Gathers them. */
export class Dismissed {
  readonly #events = new Map<string, Known>();
  #beyond: Map<string, Beyond> | undefined;

  get size(): number {
    return this.#events.size;
  }

  /** How many there are of a kind. */
  countOf(kind: EventKind): number {
    return [...this.#events.values()].filter(({ event }) => event?.kind === kind).length;
  }

  has(stream: string, sequence: bigint): boolean {
    return this.#events.has(`${stream}/${sequence}`);
  }

  /** True where the dismissal left no row, since none of the event's versions was free. */
  isWithoutRow(stream: string, sequence: bigint): boolean {
    const known = this.#events.get(`${stream}/${sequence}`);
    return known !== undefined && known.row === undefined;
  }

  /** True where the decision says that the event's void is written. */
  isDone(stream: string, sequence: bigint): boolean {
    return this.#events.get(`${stream}/${sequence}`)?.decision?.word === DONE;
  }

  /** True where that is the digest of the event that was dismissed: under its number another content may stand. */
  isOf(stream: string, sequence: bigint, digest: Buffer): boolean {
    const event = this.#events.get(`${stream}/${sequence}`)?.event;
    return event !== undefined && contentDigest(event).equals(digest);
  }

  addDecision(decision: Decision): void {
    const known = this.#known(decision.stream, decision.sequence);
    known.decision = decision;
    const event = known.event ?? eventOf(decision);
    if (event) known.event = event;
  }

  addRow(row: DismissedRow): void {
    const known = this.#known(row.stream, row.event.sequence);
    known.row = row;
    known.event = row.event;
  }

  /** Those whose void is still to be written, of which no row stands there. */
  unfinished(): { readonly stream: string; readonly sequence: bigint }[] {
    return [...this.#events.values()].filter(({ row, decision }) => !row && decision?.word !== DONE);
  }

  /** Settled as the engine stated it, whatever was begun: no dismissed event. */
  forget(stream: string, sequence: bigint): void {
    this.#events.delete(`${stream}/${sequence}`);
    this.#beyond = undefined;
  }

  /** What the engine's book has of a balance beyond this one; undefined where no dismissed event touches it. */
  beyond(name: string): Beyond | undefined {
    this.#beyond ??= this.#sums();
    return this.#beyond.get(name);
  }

  /** By stream and sequence, the first {@link DISMISSED_NAMED_MAX}. */
  list(isAudited: (stream: string) => boolean): DismissedEvent[] {
    return [...this.#events.values()]
      .filter(({ stream }) => isAudited(stream))
      .sort((a, b) =>
        a.stream === b.stream ? (a.sequence < b.sequence ? -1 : 1) : a.stream < b.stream ? -1 : 1,
      )
      .slice(0, DISMISSED_NAMED_MAX)
      .map(reported);
  }

  #known(stream: string, sequence: bigint): Known {
    const key = `${stream}/${sequence}`;
    let known = this.#events.get(key);
    if (!known) {
      known = { stream, sequence };
      this.#events.set(key, known);
    }
    this.#beyond = undefined;
    return known;
  }

  #sums(): Map<string, Beyond> {
    const sums = new Map<string, Beyond>();
    for (const known of this.#events.values())
      for (const { user, asset, availableChange, frozenChange, versions, taken } of changesOf(known)) {
        const name = `${user}/${asset}`;
        const before = sums.get(name) ?? { available: 0n, frozen: 0n, versions: 0n };
        sums.set(name, {
          available: before.available + BigInt(availableChange),
          frozen: before.frozen + BigInt(frozenChange),
          versions: before.versions + (taken ? 0n : BigInt(versions)),
        });
      }
    return sums;
  }
}

function eventOf({ kind, row }: Decision): SettlementEvent | undefined {
  if (kind === null || row === null) return undefined;
  try {
    return parseRow(kind === 'trade' ? 'trade' : 'ledger', row).event;
  } catch {
    return undefined;
  }
}

function changesOf({ event, row }: Known): DismissedChange[] {
  if (!event) return [];
  const legs = legsOf(event);
  return touchesOf(legs).map((touch) => {
    const steps = legs
      .filter((leg) => leg.userId === touch.userId && leg.assetId === touch.assetId)
      .flatMap((leg) => leg.steps);
    return {
      user: `${touch.userId}`,
      asset: touch.assetId,
      availableChange: `${steps.reduce((sum, step) => sum + step.availableChange, 0n)}`,
      frozenChange: `${steps.reduce((sum, step) => sum + step.frozenChange, 0n)}`,
      versions: steps.length,
      taken: row?.took.has(balanceName(touch)) ?? false,
    };
  });
}

function reported(known: Known): DismissedEvent {
  const { stream, sequence, event, decision, row } = known;
  const { who, why, at } = decision ? decidedBy(decision) : decidedIn(row?.settledBy ?? '');
  return {
    stream,
    sequence: `${sequence}`,
    ...(event && { event: describeEvent(event) }),
    finished: row !== undefined || decision?.word === DONE,
    row: row !== undefined,
    ...(who !== undefined && { who }),
    ...(why !== undefined && { why }),
    ...(at !== undefined && { at }),
    balances: changesOf(known),
  };
}

interface By {
  readonly who?: string | undefined;
  readonly why?: string | undefined;
  readonly at?: string | undefined;
}

function decidedBy({ who, why, at }: Decision): By {
  return { who: who ?? undefined, why: why ?? undefined, at: at?.toISOString() };
}

/** Who decided why by the row's own word, where the quarantine does not say so (I11). */
function decidedIn(settledBy: string): By {
  try {
    const cell = JSON.parse(settledBy) as { at?: string; dismissed?: { who?: string; why?: string } };
    return { who: cell.dismissed?.who, why: cell.dismissed?.why, at: cell.at };
  } catch {
    return {};
  }
}
