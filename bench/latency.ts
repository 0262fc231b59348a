/**
 * Latency: a lone trade from the engine's socket to a readable row, against a lone Update whose activity, of the kind that
 * the product uses, does nothing, by turns on one stack; and the product at shares of its top rate.
 */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporalClient } from '../src/cli/temporal-connection.ts';
import type { Config } from '../src/config/index.ts';
import { reasonOf } from '../src/logging/reason-of.ts';
import type { Progress } from '../src/stack/index.ts';
import { partitionWorkflowId } from '../src/workflows/contract.ts';
import type { Product } from './contenders/product.ts';
import type { Places } from './place.ts';
import type { Children } from './process/children.ts';
import { warmUp, type Stand } from './rounds.ts';
import { quantile, significant } from './statistics.ts';
import type { ActivityKind } from './workflows/index.ts';

/** Milliseconds. */
export interface LatencyFigure {
  readonly p50: number;
  readonly p99: number;
  readonly samples: number;
}

/** What was measured. */
export interface LatencyReport {
  readonly latencyMs: {
    /** A lone trade, from the engine's socket to a readable row. */
    readonly lone: LatencyFigure;
    /** A lone Update with one activity that does nothing. */
    readonly update: LatencyFigure;
    /** Trades at a share of the product's top rate, from when they were due. */
    readonly load20: LatencyFigure;
    readonly load80: LatencyFigure;
  };
  readonly activityKind: ActivityKind;
  /** The rate of which shares were taken. */
  readonly topRate: number;
}

/** What it needs. */
export interface LatencyOptions {
  readonly product: Stand;
  readonly places: Places;
  readonly children: Children;
  readonly progress: Progress;
  /** The product's median rate, where rounds measured it. */
  readonly topRate: number | undefined;
  readonly warmSeconds: number;
  /** Lone trades, and as many lone Updates. */
  readonly samples: number;
  /** Length of each part under load. */
  readonly loadSeconds: number;
}

const WARM_SAMPLES = 20;
const SAMPLE_EVERY_MS = 100;
/** What is left of a load before it is measured: the first moments are not yet steady. */
const QUIET_MS = 500;

/** Measures. The product's stream goes on where the rounds left it. */
export async function measureLatency(options: LatencyOptions): Promise<LatencyReport> {
  const { product: stand, progress } = options;
  const product = stand.contender as Product;
  const place = await product.place();
  const noopPlace = await options.places.make('noop');
  const step = progress.step('Latency');
  await product.start('process/probe.ts');
  const noop = await options.children.part('process/noop-worker.ts', noopPlace.env, 'noop-worker');
  try {
    await warmUp(stand, options.warmSeconds);
    const topRate = options.topRate ?? stand.rate ?? 1;
    const kind = await activityKindOf(place.config);
    const workflowId = await startIdle(noopPlace.config);
    const lone = async (samples: number): Promise<{ tradesMs: number[]; updatesMs: number[] }> =>
      run(stand, samples, 'lone', { workflowId, kind });
    const load = async (share: number): Promise<LatencyFigure> => {
      await sleep(QUIET_MS);
      const rate = share * topRate;
      const trades = Math.max(1, Math.round(rate * options.loadSeconds));
      const { tradesMs } = await run<{ tradesMs: number[] }>(stand, trades, 'paced', {
        rate,
        sampleEveryMs: Math.min(SAMPLE_EVERY_MS, (options.loadSeconds * 1000) / 20),
      });
      return figure(tradesMs);
    };
    await lone(Math.min(WARM_SAMPLES, options.samples));
    const { tradesMs, updatesMs } = await lone(options.samples);
    const load20 = await load(0.2);
    const load80 = await load(0.8);
    const latencyMs = { lone: figure(tradesMs), update: figure(updatesMs), load20, load80 };
    step.done(`lone p50 ${latencyMs.lone.p50} ms, an Update alone ${latencyMs.update.p50} ms`);
    return { latencyMs, activityKind: kind, topRate: significant(topRate) };
  } catch (error) {
    step.fail(reasonOf(error));
    throw error;
  } finally {
    await noop.stop();
    await product.stop();
  }
}

/** Lets the probe do something with the next trades of the stream, until they are settled. */
async function run<T extends object>(stand: Stand, trades: number, op: string, more: object): Promise<T> {
  const segment = stand.trades(trades);
  const product = stand.contender as Product;
  const { answer } = await product.follow(segment, { op, argument: { path: segment.path, ...more } });
  rmSync(segment.path);
  return answer as T;
}

function figure(samplesMs: readonly number[]): LatencyFigure {
  return {
    p50: significant(quantile(samplesMs, 0.5), 3),
    p99: significant(quantile(samplesMs, 0.99), 3),
    samples: samplesMs.length,
  };
}

/** How the product runs its activity, as its newest histories show. */
async function activityKindOf(config: Config): Promise<ActivityKind> {
  const client = await temporalClient(config);
  try {
    for (let partition = 0; partition < config.stream.partitions; partition += 1) {
      const handle = client.workflow.getHandle(partitionWorkflowId(config.stream.name, partition));
      const history = await handle.fetchHistory().catch(() => undefined);
      const events = history?.events ?? [];
      if (events.some((event) => event.activityTaskScheduledEventAttributes)) return 'regular';
      if (events.some((event) => event.markerRecordedEventAttributes?.markerName === 'core_local_activity'))
        return 'local';
    }
    return 'regular';
  } finally {
    await client.connection.close();
  }
}

/** Starts the workflow that waits for Updates; resolves with its id. */
async function startIdle(config: Config): Promise<string> {
  const client = await temporalClient(config);
  try {
    const { taskQueue } = config.temporal;
    const workflowId = `${config.stream.name}-idle`;
    await client.workflow.start('idle', { workflowId, taskQueue });
    return workflowId;
  } finally {
    await client.connection.close();
  }
}
