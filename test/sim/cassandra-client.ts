/** The driver's client as a process of the simulation has it: what `src/ledger` calls of it, on the simulated database. */
import { errors, types, type Client } from 'cassandra-driver';
import type { Answer } from './answers.ts';
import type { Database } from './database.ts';
import { mutationOf, type Params, type ResultRow } from './queries.ts';
import type { Random } from './random.ts';
import type { Process, Scheduler } from './scheduler.ts';
import { understand } from './statements.ts';

interface Options {
  readonly consistency?: types.consistencies;
  readonly logged?: boolean;
  /** How long an answer is waited for, ms. */
  readonly readTimeout?: number;
}

class Result {
  readonly rows: readonly ResultRow[];
  readonly #applied: boolean;

  constructor(rows: readonly ResultRow[], applied: boolean) {
    this.rows = rows;
    this.#applied = applied;
  }

  first(): ResultRow | null {
    return this.rows[0] ?? null;
  }

  wasApplied(): boolean {
    return this.#applied;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ResultRow> {
    for (const row of this.rows) yield row;
  }
}

/** How to reach the database. */
export interface ClientOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly database: Database;
  readonly process: Process;
}

/** One connection. A request that a killed process had just sent may or may not have left it. */
class SimulatedClient {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  execute(query: string, params: Params = [], options: Options = {}): Promise<Result> {
    const statement = understand(query);
    const { database } = this.#options;
    const { consistency = types.consistencies.localQuorum } = options;
    return this.#request((answer) => {
      if (statement.kind === 'read') database.read(statement, params, consistency, answer);
      else if (statement.ifNotExists || statement.conditions.length > 0)
        database.transact(statement, params, answer);
      else
        database.write(
          [mutationOf(statement, params, this.#options.scheduler.nowMs)],
          { logged: false, consistency, from: this.#options.process },
          answer,
        );
    }, options.readTimeout);
  }

  batch(
    queries: readonly { readonly query: string; readonly params: Params }[],
    { logged = true, consistency = types.consistencies.localQuorum }: Options = {},
  ): Promise<Result> {
    const { database, scheduler, process } = this.#options;
    const mutations = queries.map(({ query, params }) => {
      const statement = understand(query);
      if (statement.kind === 'read') throw new Error(`no batch holds a SELECT: ${query}`);
      return mutationOf(statement, params, scheduler.nowMs);
    });
    return this.#request((answer) => {
      database.write(mutations, { logged, consistency, from: process }, answer);
    });
  }

  #request(send: (answer: (answer: Answer) => void) => void, timeoutMs?: number): Promise<Result> {
    const { scheduler, random, process } = this.#options;
    return new Promise((resolve, reject) => {
      let isAnswered = false;
      if (timeoutMs !== undefined)
        scheduler.in(process, timeoutMs, () => {
          if (!isAnswered) reject(new errors.OperationTimedOutError('no answer in time'));
        });
      const request = (): void => {
        send((answer) => {
          scheduler.in(process, random.between(0.1, 1), () => {
            isAnswered = true;
            if (answer.kind === 'error') reject(answer.error);
            else resolve(new Result(answer.rows, answer.applied));
          });
        });
      };
      const latencyMs = random.between(0.1, random.chance(0.05) ? 20 : 1);
      // What has left a process arrives whatever becomes of the process; what is still in its buffers dies with it.
      scheduler.in(random.chance(0.5) ? process : scheduler.world, latencyMs, request);
    });
  }
}

/** A client as the product knows it. */
export function simulatedClient(options: ClientOptions): Client {
  return new SimulatedClient(options) as unknown as Client;
}
