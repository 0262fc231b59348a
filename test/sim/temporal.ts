/** The simulated Temporal: workflow runs by id, the workers that are there, and a client as `src/ingest` uses it. */
import {
  WorkflowUpdateFailedError,
  type Client,
  type WithStartWorkflowOperation,
  type Workflow,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import {
  FAILURE,
  STATUS_QUERY,
  type Chunk,
  type ConflictReport,
  type PartitionInput,
  type ResumeRequest,
} from '../../src/workflows/contract.ts';
import type { Faults } from './faults.ts';
import type { Random } from './random.ts';
import type { Process, Scheduler } from './scheduler.ts';
import type { WorkerHost } from './worker-host.ts';
import { WorkflowRun, type Respond, type UpdateEnding } from './workflow-run.ts';

/** What the server is made of. */
export interface TemporalOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  /** Told of a fault of the workflow's own code. */
  onFault(error: unknown): void;
  /** Told of each conflict that an attempt declares and the server takes. */
  onConflict(conflict: ConflictReport): void;
  readonly trace: (text: () => string) => void;
}

/** The server. */
export class TemporalServer {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  /** Until then it answers nobody, ms. */
  awayUntilMs = 0;
  readonly #options: TemporalOptions;
  readonly #runs = new Map<string, WorkflowRun>();
  readonly #workers = new Set<WorkerHost>();
  #starving: ((worker: WorkerHost) => void)[] = [];
  #runsStarted = 0;

  constructor(options: TemporalOptions) {
    this.#options = options;
    this.scheduler = options.scheduler;
    this.random = options.random;
    this.faults = options.faults;
  }

  get runs(): ReadonlyMap<string, WorkflowRun> {
    return this.#runs;
  }

  onFault(error: unknown): void {
    this.#options.onFault(error);
  }

  onConflict(conflict: ConflictReport): void {
    this.#options.onConflict(conflict);
  }

  register(worker: WorkerHost): void {
    this.#workers.add(worker);
    for (const then of this.#starving.splice(0)) this.whenWorker(then);
  }

  unregister(worker: WorkerHost): void {
    this.#workers.delete(worker);
  }

  /** A task: taken by a worker that is there, at once or when there is one and the server is back. */
  whenWorker(then: (worker: WorkerHost) => void): void {
    const { scheduler, random } = this;
    const workers = [...this.#workers].filter(({ process }) => process.stalledUntilMs <= scheduler.nowMs);
    if (workers.length === 0) {
      if (this.#workers.size === 0) this.#starving.push(then);
      else
        scheduler.in(scheduler.world, 200, () => {
          this.whenWorker(then);
        });
      return;
    }
    const worker = random.pick(workers);
    const awayMs = Math.max(0, this.awayUntilMs - scheduler.nowMs);
    scheduler.in(scheduler.world, awayMs + random.between(0.3, 3), () => {
      if (worker.process.alive) then(worker);
      else this.whenWorker(then);
    });
  }

  /** An Update has come. */
  update(id: string, chunk: Chunk, updateId: string, respond: Respond, input?: PartitionInput): void {
    let run = this.#runs.get(id);
    if (!run) {
      if (!input) throw new Error(`no workflow ${id}`);
      run = this.#start(id, input);
    }
    run.update(chunk, updateId, respond);
  }

  continueAsNew(id: string, input: PartitionInput): void {
    this.#options.trace(() => `${id} continues as new`);
    this.#start(id, input);
  }

  #start(id: string, input: PartitionInput): WorkflowRun {
    this.#runsStarted += 1;
    const run = new WorkflowRun(this, id, `run-${this.#runsStarted}`, input);
    this.#runs.set(id, run);
    return run;
  }
}

/** What a client is made of. */
export interface TemporalClientOptions {
  readonly server: TemporalServer;
  readonly process: Process;
  /** Told of each chunk as it is sent. */
  readonly onSend: (chunk: Chunk) => void;
  readonly trace: (text: () => string) => void;
}

/** A client as an ingest has it. */
export function temporalClient({ server, process, onSend, trace }: TemporalClientOptions): Client {
  const { scheduler, random, faults } = server;
  const request = <T>(
    send: (respond: (then: () => T | Promise<T>) => void) => void,
    losable: boolean,
  ): Promise<T> =>
    new Promise((resolve, reject) => {
      const fail = (ms: number): void => {
        scheduler.in(process, ms, () => {
          reject(new Error('14 UNAVAILABLE: the server did not answer'));
        });
      };
      scheduler.in(scheduler.world, random.between(0.2, 1.5), () => {
        if (server.awayUntilMs > scheduler.nowMs || (losable && faults.strikes('update-lost'))) {
          fail(random.between(100, 5_000));
          return;
        }
        if (losable && faults.strikes('update-forgotten')) return;
        send((then) => {
          if (losable && faults.strikes('update-answer-lost')) {
            fail(random.between(10, 5_000));
            return;
          }
          scheduler.in(process, random.between(0.2, 1.5), () => {
            try {
              resolve(then());
            } catch (error) {
              reject(error);
            }
          });
        });
      });
    });

  const workflow = {
    executeUpdateWithStart: (
      _name: string,
      given: {
        readonly updateId: string;
        readonly args: readonly [Chunk];
        readonly startWorkflowOperation: WithStartWorkflowOperation<Workflow>;
      },
    ): Promise<unknown> => {
      const [chunk] = given.args;
      const { workflowId, args = [] } = given.startWorkflowOperation.options as {
        workflowId: string;
        args?: unknown[];
      };
      onSend(chunk);
      trace(() => `update ${given.updateId} to ${workflowId}`);
      return request((respond) => {
        const answered = (ending: UpdateEnding): void => {
          trace(() => `update ${given.updateId} ends: ${textOf(ending)}`);
          respond(() => resultOf(ending));
        };
        server.update(workflowId, chunk, given.updateId, answered, args[0] as PartitionInput);
      }, true);
    },
    getHandle: (id: string) => ({
      query: (name: string) =>
        request((respond) => {
          server.whenWorker(() => {
            const run = server.runs.get(id);
            respond(() => {
              if (!run || name !== STATUS_QUERY)
                throw Object.assign(new Error(`no workflow ${id}`), { name: 'WorkflowNotFoundError' });
              return run.status();
            });
          });
        }, false),
      executeUpdate: (_name: string, given: { readonly args: readonly [ResumeRequest] }) =>
        request((respond) => {
          respond(() => server.runs.get(id)?.resume(given.args[0]) ?? {});
        }, false),
    }),
  };
  const client = {
    workflow,
    withDeadline: (_deadline: unknown, then: () => Promise<unknown>) => then(),
    withAbortSignal: (_signal: AbortSignal, then: () => Promise<unknown>) => then(),
  };
  return client as unknown as Client;
}

function resultOf(ending: UpdateEnding): unknown {
  if (ending.kind === 'result') return ending.result;
  const { type, message, detail } = ending.refusal;
  const failure = ApplicationFailure.nonRetryable(message, type, ...(detail ? [detail] : []));
  throw new WorkflowUpdateFailedError('the Update failed', failure);
}

function textOf(ending: UpdateEnding): string {
  if (ending.kind === 'refused') return `${ending.refusal.type} ${ending.refusal.message}`;
  const { outcome, settled, remaining, waiting, halt } = ending.result;
  const { reason, sequence } = halt?.conflict ?? {};
  const waits = waiting.map(
    (one) => `${one.sequence} ${one.state} ${one.user}/${one.asset} v${one.expected} found v${one.found}`,
  );
  return `${outcome}, settled ${settled}, remaining [${remaining.join(' ')}] ${waits.join('; ')}${reason === undefined ? '' : ` halt ${reason} at ${sequence}`}`;
}

export { FAILURE };
