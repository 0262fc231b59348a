/**
 * Settling past what people dismissed. A workflow that does not know what was dismissed before its time asks here, and
 * such an event never reaches the settler. And an event whose predecessor was dismissed without taking its version is
 * decided without that predecessor: it builds on whatever event has the version, as the person was told.
 */
import { Context } from '@temporalio/activity';
import type {
  EventOutcome,
  RequestedEvent,
  SettleRequest,
  SettlerPort,
} from '../settlement/settle-request.ts';
import { legsOf, touchesOf } from '../domain/legs.ts';
import type { SettleAttempt } from '../workflows/contract.ts';
import type { Dismissals } from './dismissals.ts';

/** What an attempt led to. */
export interface Passed {
  /** In the order of the request's events. */
  readonly outcomes: readonly EventOutcome[];
  /** Every dismissed sequence of the partition; only where it was asked for. */
  readonly dismissed?: readonly bigint[];
}

const PASSED: EventOutcome = { kind: 'settled', duplicate: true };

/** Settles a request, but for what people dismissed. */
export async function settlePastDismissed(
  settler: SettlerPort,
  dismissals: Dismissals,
  { chunk, asksForDismissed }: SettleAttempt,
  request: SettleRequest,
): Promise<Passed> {
  const { stream } = request;
  if (asksForDismissed !== true)
    return { outcomes: await settleAll(settler, dismissals, request, request.events) };
  const { workflowExecution: execution } = Context.current().info;
  const dismissed = await dismissals.ofPartition(stream, chunk.partition, {
    workflow: execution?.workflowId,
    run: execution?.runId,
    signal: request.signal,
  });
  const passed = new Set(dismissed);
  const asked = request.events.filter(({ event }) => !passed.has(event.sequence));
  const outcomes = [...(await settleAll(settler, dismissals, request, asked))];
  return {
    outcomes: request.events.map(({ event }) => {
      const outcome = passed.has(event.sequence) ? PASSED : outcomes.shift();
      if (!outcome) throw new Error(`the settler did not answer for sequence ${event.sequence}`);
      return outcome;
    }),
    dismissed,
  };
}

async function settleAll(
  settler: SettlerPort,
  dismissals: Dismissals,
  request: SettleRequest,
  events: readonly RequestedEvent[],
): Promise<readonly EventOutcome[]> {
  if (events.length === 0) return [];
  const outcomes = await settler.settle({ ...request, events });
  const again: { readonly place: number; readonly event: RequestedEvent }[] = [];
  for (const [place, outcome] of outcomes.entries()) {
    const event = events[place];
    if (!event || outcome.kind !== 'conflict' || outcome.reason !== 'predecessor') continue;
    const free = await withoutDismissed(dismissals, request.stream, event);
    if (free) again.push({ place, event: free });
  }
  if (again.length === 0) return outcomes;
  const later = await settler.settle({ ...request, events: again.map(({ event }) => event) });
  const decided = [...outcomes];
  for (const [index, { place }] of again.entries()) {
    const outcome = later[index];
    if (outcome) decided[place] = outcome;
  }
  return decided;
}

/** The event without predecessors that a person dismissed; undefined where none of them was. */
async function withoutDismissed(
  dismissals: Dismissals,
  stream: string,
  event: RequestedEvent,
): Promise<RequestedEvent | undefined> {
  const touches = touchesOf(legsOf(event.event));
  const kept = await Promise.all(
    touches.map(async (_, index) => {
      const predecessor = event.predecessors[index];
      if (predecessor === undefined || !(await dismissals.isPassed(stream, predecessor))) return predecessor;
      return undefined;
    }),
  );
  const isFreed = kept.some((one, index) => one !== event.predecessors[index]);
  return isFreed ? { ...event, predecessors: kept } : undefined;
}
