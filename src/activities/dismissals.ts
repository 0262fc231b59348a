/**
 * Dismissals as activities carry them out: the quarantined event is read, its void settled, and the decision recorded
 * around it: begun before the first write, done after the last one. So an attempt that was cut off is finished by
 * whoever comes next, also by a workflow that has lost its history.
 */
import { parseRow } from '../domain/chunk.ts';
import { contentDigest } from '../domain/digest.ts';
import { eventId, type EventKind } from '../domain/event.ts';
import type { DigestedEvent } from '../settlement/port.ts';
import type { VoidOutcome, VoidSettlement } from '../settlement/void-settlement.ts';
import type { DecideOrder } from '../workflows/contract.ts';

/** A quarantined event, as far as decisions go. */
export interface Quarantined {
  readonly sequence: bigint;
  readonly partition: number;
  readonly kind: EventKind;
  /** domain/chunk.ts */
  readonly row: string;
  readonly decision?: { readonly word: string; readonly who: string; readonly why: string };
}

/** Where quarantined events and decisions are kept. */
export interface DecisionStore {
  /** Undefined where nothing was ever found about that event. */
  read(stream: string, sequence: bigint): Promise<Quarantined | undefined>;
  /** Those of a stream that a person dismissed, or began to. */
  readDismissed(stream: string): Promise<readonly Quarantined[]>;
  write(
    stream: string,
    sequence: bigint,
    decision: {
      readonly word: 'resume' | 'retry' | 'dismiss' | 'dismissed';
      readonly who: string;
      readonly why: string;
    },
  ): Promise<void>;
}

/** Who and what an attempt runs for. */
export interface AttemptPlace {
  readonly workflow: string | undefined;
  readonly run: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Word of a dismissal whose void is being written; of one that is done. */
const BEGUN = 'dismiss';
const DONE = 'dismissed';

/** The event of a quarantined row. */
export function quarantinedEvent({ kind, row }: Quarantined): DigestedEvent {
  const { event } = parseRow(kind === 'trade' ? 'trade' : 'ledger', row);
  return { event, digest: contentDigest(event) };
}

/** Carries dismissals out. */
export class Dismissals {
  readonly #voids: VoidSettlement;
  readonly #store: DecisionStore;
  readonly #attemptMs: number;

  /** @param attemptMs how long a doubt is looked at again within one attempt, ms */
  constructor(voids: VoidSettlement, store: DecisionStore, attemptMs: number) {
    this.#voids = voids;
    this.#store = store;
    this.#attemptMs = attemptMs;
  }

  /** True if a person dismissed that event, or began to. */
  async isDismissed(stream: string, sequence: bigint): Promise<boolean> {
    const word = (await this.#store.read(stream, sequence))?.decision?.word;
    return word === BEGUN || word === DONE;
  }

  /** True if its dismissal is done. */
  async isPassed(stream: string, sequence: bigint): Promise<boolean> {
    return (await this.#store.read(stream, sequence))?.decision?.word === DONE;
  }

  /**
   * The events of a partition that people dismissed. What was begun is finished first.
   *
   * @throws Error if a begun dismissal cannot be finished now
   */
  async ofPartition(stream: string, partition: number, place: AttemptPlace): Promise<bigint[]> {
    const dismissed = (await this.#store.readDismissed(stream)).filter((one) => one.partition === partition);
    for (const { sequence, decision } of dismissed) {
      if (decision?.word !== BEGUN) continue;
      const { who, why } = decision;
      const order = { stream, partition, decision: 'dismiss' as const, sequence: `${sequence}`, who, why };
      await this.settle(order, place);
    }
    return dismissed.map(({ sequence }) => sequence);
  }

  /**
   * Settles a quarantined event as void and records that. Undefined where nothing was ever found about the event.
   *
   * @throws Error where an earlier attempt may have written and this one cannot finish it yet; the storage's errors
   */
  async settle(order: DecideOrder, place: AttemptPlace): Promise<VoidOutcome | undefined> {
    const { stream, who, why } = order;
    const sequence = BigInt(order.sequence);
    const quarantined = await this.#store.read(stream, sequence);
    if (!quarantined) return undefined;
    const event = quarantinedEvent(quarantined);
    const { word } = quarantined.decision ?? {};
    const isBegun = word === BEGUN || word === DONE;
    const outcome = await this.#voids.settle({
      ...event,
      stream,
      attemptMs: this.#attemptMs,
      signal: place.signal,
      settledBy: JSON.stringify({
        workflow: place.workflow,
        run: place.run,
        chunk: `${sequence}-${sequence}`,
        at: new Date().toISOString(),
        dismissed: { who, why },
      }),
      beforeWrite: async () => {
        if (!isBegun) await this.#store.write(stream, sequence, { word: BEGUN, who, why });
      },
    });
    if (outcome.kind === 'dismissed') {
      if (word !== DONE) await this.#store.write(stream, sequence, { word: DONE, who, why });
    } else if (isBegun)
      // The first attempt may still write: only a dismissal can follow.
      throw new Error(
        `the dismissal of ${event.event.kind} ${eventId(event.event)} (sequence ${sequence}) was begun and cannot be ` +
          `finished yet: ${outcome.kind}`,
      );
    return outcome;
  }

  /** Records a decision that writes nothing else. False where nothing was ever found about the event. */
  async record({ stream, sequence, decision, who, why }: DecideOrder): Promise<boolean> {
    if (!(await this.#store.read(stream, BigInt(sequence)))) return false;
    await this.#store.write(stream, BigInt(sequence), { word: decision, who, why });
    return true;
  }
}
