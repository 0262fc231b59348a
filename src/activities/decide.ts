/**
 * The activity by which a partition's workflow carries out a person's decision: it records who decided what and why,
 * and settles a dismissed event as void (I6). What it refuses leaves nothing written.
 */
import { Context } from '@temporalio/activity';
import { balanceName } from '../domain/balance.ts';
import type { VoidBalance, VoidOutcome } from '../settlement/void-settlement.ts';
import { DECIDE_ACTIVITY } from '../workflows/contract.ts';
import type {
  DecideActivities,
  DecideEnding,
  DecideOrder,
  DecisionRefusal,
  DismissedBalance,
} from '../workflows/contract.ts';
import type { Dismissals } from './dismissals.ts';
import { startHeartbeats } from './heartbeats.ts';

/** Builds the activity. What cannot be read or written it throws: Temporal tries again. */
export function createDecideActivities(dismissals: Dismissals): DecideActivities {
  return {
    async [DECIDE_ACTIVITY](order: DecideOrder): Promise<DecideEnding> {
      const { info, cancellationSignal } = Context.current();
      const stopHeartbeats = startHeartbeats();
      try {
        if (order.decision !== 'dismiss') return await record(dismissals, order);
        const outcome = await dismissals.settle(order, {
          workflow: info.workflowExecution?.workflowId,
          run: info.workflowExecution?.runId,
          signal: cancellationSignal,
        });
        const ending = endingOf(order, outcome);
        return ending.kind === 'refused' && info.attempt > 1 ? { ...ending, retried: true } : ending;
      } finally {
        stopHeartbeats();
      }
    },
  };
}

async function record(dismissals: Dismissals, order: DecideOrder): Promise<DecideEnding> {
  if (await dismissals.isDismissed(order.stream, BigInt(order.sequence)))
    return refused(
      'dismissal-begun',
      `the dismissal of sequence ${order.sequence} was begun: it can only be dismissed; repeat that`,
    );
  // An event that halts its partition but was never kept, because the database was away, is decided again all the same.
  await dismissals.record(order);
  return { kind: 'done', balances: [] };
}

/** How a dismissal ended, in words for a person where it was refused. */
export function endingOf(
  { sequence, stream }: Pick<DecideOrder, 'sequence' | 'stream'>,
  outcome: VoidOutcome | undefined,
): DecideEnding {
  const event = `sequence ${sequence} of stream ${stream}`;
  if (!outcome)
    return refused('not-quarantined', `${event} is not in quarantine: nothing was found against it`);
  if ('balances' in outcome) return { kind: 'done', balances: outcome.balances.map(dismissedBalance) };
  if (outcome.kind === 'settled')
    return refused('already-settled', `${event} is settled as the engine stated it: nothing to dismiss`);
  const { expected, found } = outcome.balance;
  const versions = `balance ${balanceName(outcome.balance)} is at version ${found}, the event expects ${expected}`;
  return outcome.kind === 'behind'
    ? refused(
        'behind',
        `${event}: ${versions}, and an earlier event may still come: decide about that first, or let the ingest run ` +
          `until everything before it is settled. Where the halt by this event is what keeps an earlier one of its partition ` +
          `waiting, "settled quarantine retry" lets that through first`,
      )
    : refused(
        'in-doubt',
        `${event}: ${versions}, and it is not yet known which event brought that: try again`,
      );
}

/** A balance's part of a dismissal as it travels through Temporal (I8). */
export function dismissedBalance(balance: VoidBalance): DismissedBalance {
  return {
    user: `${balance.userId}`,
    asset: balance.assetId,
    expected: `${balance.expectedVersion}`,
    after: `${balance.afterVersion}`,
    found: `${balance.found}`,
    availableChange: `${balance.availableChange}`,
    frozenChange: `${balance.frozenChange}`,
    place: balance.place,
  };
}

function refused(reason: DecisionRefusal, message: string): DecideEnding {
  return { kind: 'refused', reason, message };
}
