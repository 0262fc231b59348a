/** A worker process: the product's settler, its storage and its activity, on simulated connections. */
import { workerActivities } from '../../src/cli/worker-activities.ts';
import { CassandraStorage } from '../../src/ledger/storage.ts';
import type { SettlerLimits } from '../../src/settlement/limits.ts';
import { Settler } from '../../src/settlement/settler.ts';
import { SETTLE_ACTIVITY, type SettleActivities } from '../../src/workflows/contract.ts';
import type { ActivityAttempt } from './activity.ts';
import { simulatedClient } from './cassandra-client.ts';
import type { Database } from './database.ts';
import { within } from './modules/temporal-activity.ts';
import type { Process } from './scheduler.ts';
import type { TemporalServer } from './temporal.ts';

/** What a worker is made of. */
export interface WorkerOptions {
  readonly server: TemporalServer;
  readonly database: Database;
  readonly process: Process;
  readonly attemptMs: number;
  readonly limits: Partial<SettlerLimits>;
}

/** One worker. */
export class WorkerHost {
  readonly process: Process;
  readonly #server: TemporalServer;
  readonly #activities: SettleActivities;

  constructor({ server, database, process, attemptMs, limits }: WorkerOptions) {
    const { scheduler, random } = server;
    this.process = process;
    this.#server = server;
    const cassandra = simulatedClient({ scheduler, random, database, process });
    const storage = new CassandraStorage(cassandra);
    const settler = new Settler({ storage, limits });
    this.#activities = workerActivities({ cassandra, storage, settler, attemptMs });
  }

  /** Takes an attempt. */
  run(attempt: ActivityAttempt, lateMs: number): void {
    const { scheduler } = this.#server;
    scheduler.in(this.process, lateMs, () => {
      void this.#carryOut(attempt);
    });
  }

  async #carryOut(attempt: ActivityAttempt): Promise<void> {
    const { scheduler, random } = this.#server;
    const cancellation = new AbortController();
    const context = {
      info: {
        attempt: attempt.number,
        heartbeatTimeoutMs: attempt.heartbeatMs,
        workflowExecution: { workflowId: attempt.workflowId, runId: attempt.runId },
      },
      cancellationSignal: cancellation.signal,
      heartbeat: () => {
        const isAway = this.#server.awayUntilMs > scheduler.nowMs;
        if (attempt.heartbeat(scheduler.nowMs, isAway))
          scheduler.in(this.process, random.between(0.2, 2), () => {
            cancellation.abort(new Error('cancelled'));
          });
      },
    };
    const ending = await within(context, () => this.#activities[SETTLE_ACTIVITY](attempt.request)).then(
      (result) => ({ result }),
      (error: unknown) => ({ error }),
    );
    scheduler.in(random.chance(0.5) ? this.process : scheduler.world, random.between(0.2, 1.5), () => {
      scheduler.current = scheduler.world;
      attempt.report(ending);
    });
  }
}
