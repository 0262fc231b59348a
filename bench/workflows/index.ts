/**
 * Workflows that the product is compared with: one for each trade, and one whose Update does nothing but run an activity
 * that does nothing. They are bundled for the benchmark's own workers only.
 */
import {
  ApplicationFailure,
  condition,
  defineUpdate,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import { PARTITION_LIMITS, type Chunk, type SettleActivities } from '../../src/workflows/contract.ts';

/** How an activity is run. */
export type ActivityKind = 'regular' | 'local';

/** The activity that does nothing. */
export interface NoopActivities {
  noop(): Promise<void>;
}

/** Settles one trade by the product's own activity, and ends. */
export async function settleTrade(chunk: Chunk): Promise<void> {
  const { settle } = proxyActivities<SettleActivities>({
    startToCloseTimeout: PARTITION_LIMITS.activityMsMax,
    heartbeatTimeout: PARTITION_LIMITS.heartbeatMsMax,
  });
  for (let attempt = 1; ; attempt += 1) {
    const { remaining, conflict } = await settle({ chunk, attempt, doubts: {} });
    if (conflict) throw ApplicationFailure.nonRetryable(`sequence ${conflict.sequence}: ${conflict.reason}`);
    if (remaining.length === 0) return;
    await sleep(PARTITION_LIMITS.waitMsFirst);
  }
}

/** An Update with an activity that does nothing. */
export const noopUpdate = defineUpdate<void, [ActivityKind]>('noop');
/** Ends {@link idle}. */
export const endUpdate = defineUpdate<void>('end');

/** Waits for Updates, as a partition does. */
export async function idle(): Promise<void> {
  const options = { startToCloseTimeout: PARTITION_LIMITS.activityMsMax };
  const regular = proxyActivities<NoopActivities>({
    ...options,
    heartbeatTimeout: PARTITION_LIMITS.heartbeatMsMax,
  });
  const local = proxyLocalActivities<NoopActivities>(options);
  let isEnded = false;
  setHandler(noopUpdate, async (kind) => {
    await (kind === 'local' ? local : regular).noop();
  });
  setHandler(endUpdate, () => {
    isEnded = true;
  });
  await condition(() => isEnded);
}
