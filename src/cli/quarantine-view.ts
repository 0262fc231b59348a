/**
 * A quarantined event as people see it: what was found, what was decided, how it stands now, and what a dismissal would
 * make differ from the engine's book.
 */
import type { Client } from 'cassandra-driver';
import { quarantinedEvent } from '../activities/dismissals.ts';
import { endingOf } from '../activities/decide.ts';
import type { QuarantinedEvent } from '../ledger/quarantine.ts';
import { CassandraStorage } from '../ledger/storage.ts';
import type { StreamRecord } from '../ledger/streams.ts';
import { VoidSettlement } from '../settlement/void-settlement.ts';
import type { DismissedBalance } from '../workflows/contract.ts';

/**
 * How a quarantined event stands.
 * - `waiting`: a person must decide.
 * - `retried`: a person let it be decided again, and nothing was found against it since.
 * - `dismissing`: its dismissal was begun and is not finished.
 * - `dismissed`: it was passed over.
 * - `settled`: it is below the watermark, settled as the engine stated it.
 */
export type QuarantineState = 'waiting' | 'retried' | 'dismissing' | 'dismissed' | 'settled';

/** One quarantined event. */
export interface QuarantineView {
  readonly stream: string;
  readonly sequence: string;
  readonly partition: number;
  readonly event: string;
  readonly state: QuarantineState;
  readonly reason: string;
  readonly user: string;
  readonly asset: number;
  readonly expected: string;
  readonly found: string;
  readonly foundAt: string;
  readonly decision?: {
    readonly decision: string;
    readonly who: string;
    readonly why: string;
    readonly at: string;
  };
}

/** Puts what is kept into words. */
export function quarantineView({ watermark }: StreamRecord, one: QuarantinedEvent): QuarantineView {
  const { decision } = one;
  return {
    stream: one.stream,
    sequence: `${one.sequence}`,
    partition: one.partition,
    event: one.kind === 'trade' ? `trade ${one.id}` : one.kind,
    state: stateOf(watermark, one),
    reason: one.reason,
    user: `${one.userId}`,
    asset: one.assetId,
    expected: `${one.expected}`,
    found: `${one.found}`,
    foundAt: new Date(one.foundAtMs).toISOString(),
    ...(decision && {
      decision: {
        decision: decision.word,
        who: decision.who,
        why: decision.why,
        at: new Date(decision.atMs).toISOString(),
      },
    }),
  };
}

function stateOf(watermark: bigint, { sequence, foundAtMs, decision }: QuarantinedEvent): QuarantineState {
  if (decision?.word === 'dismissed') return 'dismissed';
  if (decision?.word === 'dismiss') return 'dismissing';
  if (sequence <= watermark) return 'settled';
  return decision && decision.atMs > foundAtMs ? 'retried' : 'waiting';
}

/** "12  trade 7 …": one line of a list. */
export function listLine(view: QuarantineView): string {
  const { sequence, event, state, reason, user, asset, expected, found, partition } = view;
  return `${sequence.padStart(8)}  ${event.padEnd(16)} ${state.padEnd(10)} partition ${partition}: ${reason}, balance ${user}/${asset}, expected ${expected}, found ${found}`;
}

/** Everything about one event. */
export function detailLines(view: QuarantineView): string[] {
  const { decision } = view;
  const lines = [
    `${view.event} (sequence ${view.sequence}) of stream ${view.stream}, partition ${view.partition}: ${view.state}`,
    `  conflict   ${view.reason}: balance ${view.user}/${view.asset}, expected ${view.expected}, found ${view.found}, at ${view.foundAt}`,
  ];
  if (decision)
    lines.push(`  decided    ${decision.decision} by ${decision.who} at ${decision.at}: ${decision.why}`);
  return lines;
}

/** What a dismissal would do, or did. */
export interface DismissalView {
  /** True where it was dismissed before. */
  readonly done: boolean;
  /** Absent where it would be refused. */
  readonly balances?: readonly DismissedBalance[];
  /** Why it would be refused. */
  readonly problem?: string;
}

/** Looks at what a dismissal would do now. Writes nothing. */
export async function dismissalView(client: Client, one: QuarantinedEvent): Promise<DismissalView> {
  const { stream, sequence } = one;
  const voids = new VoidSettlement(new CassandraStorage(client));
  const outcome = await voids.preview(stream, quarantinedEvent(one));
  const ending = endingOf({ stream, sequence: `${sequence}` }, outcome);
  const done = one.decision?.word === 'dismissed';
  return ending.kind === 'done' ? { done, balances: ending.balances } : { done, problem: ending.message };
}

const PLACES: Readonly<Record<DismissedBalance['place'], string>> = {
  free: 'entries of kind void take its versions, later events can follow',
  taken: 'another event has its versions, nothing is written',
  gap: 'it never reached the expected version and nothing is written: later events of this balance will conflict too',
  'by-hand': 'its row was written by hand, nothing can be written over it: mend it first',
  'row-taken':
    'another event stands under its key, nothing is written: later events of this balance may conflict too',
};

/** What differs from the engine's book once the event is dismissed. */
export function differenceLines(balances: readonly DismissedBalance[]): string[] {
  return balances.map(
    ({ user, asset, expected, after, found, availableChange, frozenChange, place }) =>
      `  balance ${user}/${asset}: the engine's book changed available by ${signed(availableChange)} and frozen by ` +
      `${signed(frozenChange)}, here nothing changes; versions ${expected} to ${after}, found ${found}: ${PLACES[place]}`,
  );
}

function signed(change: string): string {
  return change.startsWith('-') || change === '0' ? change : `+${change}`;
}
