/**
 * `npm run chaos:pressure`: an engine that offers ten times what is settled, for minutes. What it offers stays in its
 * outbox; ingest and worker hold what is in flight and no more, so their memory stays flat. Data to stdout, talk to stderr.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { reasonOf } from '../../src/logging/reason-of.ts';
import { InterruptedError, progressFor } from '../../src/stack/index.ts';
import { endWhenDone } from './ending.ts';
import { pressureOf, RSS_GROWTH_MAX, type MemorySample } from './pressure-report.ts';
import { Scene } from './scene.ts';

const FAILED_EXIT_CODE = 1;
const NOT_RUN_EXIT_CODE = 2;
const SAMPLE_MS = 1_000;
/** Settlement is slowed down by one batch at a time, over a slow network. */
const DELAY_MS = { msMin: 15, msMax: 25 };
const USERS = 200;
const TRADES = 50_000_000;

interface Flags {
  readonly minutes: number;
  readonly rate: number;
  readonly seed: number;
}

async function pressure({ minutes, rate, seed }: Flags): Promise<void> {
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new InterruptedError());
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'settled-pressure-'));
  const progress = progressFor(process.stderr);
  const { signal } = abort;
  let scene: Scene | undefined;
  try {
    scene = await Scene.set({
      folder,
      seed,
      nodes: 1,
      workers: 1,
      simulateArgs: [
        '--scenario=random',
        `--seed=${seed}`,
        `--trades=${TRADES}`,
        `--users=${USERS}`,
        `--rate=${rate}`,
      ],
      smallDisk: false,
      outboxEventsMax: 5_000_000,
      env: {
        SETTLED_INGEST_MAX_IN_FLIGHT_EVENTS: '10000',
        SETTLED_INGEST_CHUNK_EVENTS_MAX: '1000',
        SETTLED_SETTLEMENT_BATCHES_IN_FLIGHT_MAX: '1',
      },
      progress,
      signal,
    });
    for (const proxy of scene.proxies.get('worker-cassandra')!)
      proxy.weather = { kind: 'delay', ...DELAY_MS };
    const step = progress.step(`Pressure for ${minutes} min`, { slow: true });
    const samples: MemorySample[] = [];
    const startedMs = performance.now();
    const settledBefore = scene.watch.reached;
    for (let atMs = 0; atMs < minutes * 60_000; atMs = performance.now() - startedMs) {
      await sleep(SAMPLE_MS, undefined, { signal });
      samples.push({ atMs, ingestMiB: scene.rssMiB.ingest, workerMiB: scene.rssMiB.worker });
      step.update(
        `${scene.watch.reached} settled, ingest ${scene.rssMiB.ingest} MiB, worker ${scene.rssMiB.worker} MiB`,
      );
    }
    const seconds = (performance.now() - startedMs) / 1000;
    const settled = Number(scene.watch.reached - settledBefore);
    const inFlight = scene.progress?.said.inFlight ?? 0;
    step.done(`${settled} settled`);
    const offered = Number(await scene.killEngine());
    const report = pressureOf(samples, { seconds, settled, offered, inFlight });
    process.stdout.write(`${JSON.stringify(report)}\n`);
    if (!report.ok) process.exitCode = FAILED_EXIT_CODE;
    if (report.rssGrowth.ingest > RSS_GROWTH_MAX || report.rssGrowth.worker > RSS_GROWTH_MAX)
      process.stderr.write('Memory grew by more than a tenth after the first minute.\n');
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`);
    process.exitCode = NOT_RUN_EXIT_CODE;
  } finally {
    await scene?.end();
    rmSync(folder, { recursive: true, force: true });
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('A number above 0 is needed.');
  return value;
}

await new Command('chaos:pressure')
  .description(
    'an engine ten times faster than settlement (exit codes: 0 memory flat, 1 not so, or not ten times faster; 2 could not run)',
  )
  .option('--minutes <n>', 'for how long', positive, 5)
  .option('--rate <n>', 'events a second that the engine offers', positive, 5_000)
  .option('--seed <n>', 'of the stream', Number, 1)
  .action(pressure)
  .parseAsync();
endWhenDone();
