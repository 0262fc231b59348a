/**
 * What a measured segment adds to the histories of its stream's partitions: events and bytes over all runs, those that
 * continued as new meanwhile included.
 */
import type { Client } from '@temporalio/client';
import { temporalClient } from '../src/cli/temporal-connection.ts';
import type { Config } from '../src/config/index.ts';
import { partitionWorkflowId } from '../src/workflows/contract.ts';
import type { HistoryUse } from './contender.ts';

interface Size {
  readonly events: number;
  readonly bytes: number;
}

/** Runs by run id. */
type Runs = ReadonlyMap<string, Size>;

/** Looks at the partitions' runs at its start and its end. */
export class HistoryMeter {
  readonly #client: Client;
  readonly #config: Config;
  readonly #before: Runs;

  private constructor(client: Client, config: Config, before: Runs) {
    this.#client = client;
    this.#config = config;
    this.#before = before;
  }

  static async start(config: Config): Promise<HistoryMeter> {
    const client = await temporalClient(config);
    try {
      return new HistoryMeter(client, config, await runsOf(client, config));
    } catch (error) {
      await client.connection.close();
      throw error;
    }
  }

  /** What was added since the start. Ends the meter. */
  async end(): Promise<HistoryUse> {
    try {
      return await this.#added();
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    await this.#client.connection.close();
  }

  async #added(): Promise<HistoryUse> {
    const after = await runsOf(this.#client, this.#config, this.#before);
    let [events, bytes] = [0, 0];
    for (const [runId, size] of after) {
      const before = this.#before.get(runId);
      events += size.events - (before?.events ?? 0);
      bytes += size.bytes - (before?.bytes ?? 0);
    }
    return { events, bytes, runsEnded: after.size - this.#before.size };
  }
}

/** The current run of each partition and, where former ones are known, all runs since those. */
async function runsOf(client: Client, config: Config, known?: Runs): Promise<Runs> {
  const { name, partitions } = config.stream;
  const runs = new Map<string, Size>();
  const describe = async (workflowId: string, runId?: string): Promise<string> => {
    const described = await client.workflow.getHandle(workflowId, runId).describe();
    runs.set(described.runId, { events: described.historyLength, bytes: described.historySize ?? 0 });
    return described.runId;
  };
  for (let partition = 0; partition < partitions; partition += 1) {
    const workflowId = partitionWorkflowId(name, partition);
    let runId: string | undefined = await describe(workflowId).catch(() => undefined);
    // Each run names the one that it continues in its first event.
    const isNew = (run: string | undefined): run is string => run !== undefined && known?.has(run) === false;
    while (isNew(runId)) {
      const before: string | undefined = await continuedRun(client, config, workflowId, runId);
      if (before !== undefined) await describe(workflowId, before);
      runId = before;
    }
  }
  return runs;
}

async function continuedRun(
  client: Client,
  config: Config,
  workflowId: string,
  runId: string,
): Promise<string | undefined> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: config.temporal.namespace,
    execution: { workflowId, runId },
    maximumPageSize: 1,
  });
  const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
  return started?.continuedExecutionRunId || undefined;
}
