/** Everything that a worker serves, on one connection to Cassandra: settling, and people's decisions. */
import type { Client } from 'cassandra-driver';
import { createDecideActivities } from '../activities/decide.ts';
import { Dismissals, type DecisionStore } from '../activities/dismissals.ts';
import { createSettleActivities } from '../activities/settle.ts';
import { readQuarantined, readQuarantinedEvent, writeDecision } from '../ledger/quarantine.ts';
import type { CassandraStorage } from '../ledger/storage.ts';
import type { SettlerPort } from '../settlement/settle-request.ts';
import { VoidSettlement } from '../settlement/void-settlement.ts';
import type { DecideActivities, SettleActivities } from '../workflows/contract.ts';
import { quarantineWith } from './quarantine-with.ts';

/** What the activities are made of. */
export interface WorkerActivitiesOptions {
  readonly cassandra: Client;
  readonly storage: CassandraStorage;
  readonly settler: SettlerPort;
  /** The settler's own bound of an attempt, and that of a dismissal in doubt, ms. */
  readonly attemptMs: number;
  /** Aborted when the worker shuts down. */
  readonly leave?: AbortSignal;
}

/** Builds them. */
export function workerActivities(options: WorkerActivitiesOptions): SettleActivities & DecideActivities {
  const { cassandra, storage, settler, attemptMs, leave } = options;
  const dismissals = new Dismissals(new VoidSettlement(storage), decisionStore(cassandra), attemptMs);
  return {
    ...createSettleActivities({
      settler,
      attemptMs,
      ...(leave && { leave }),
      quarantine: quarantineWith(cassandra),
      dismissals,
    }),
    ...createDecideActivities(dismissals),
  };
}

/** Decisions where the quarantine is. */
export function decisionStore(cassandra: Client): DecisionStore {
  return {
    read: (stream, sequence) => readQuarantinedEvent(cassandra, stream, sequence),
    readDismissed: async (stream) =>
      (await readQuarantined(cassandra, stream)).filter(({ decision }) =>
        decision?.word.startsWith('dismiss'),
      ),
    write: (stream, sequence, decision) =>
      writeDecision(cassandra, stream, sequence, { ...decision, atMs: Date.now() }),
  };
}
