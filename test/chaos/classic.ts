/**
 * `npm run chaos:classic`: a recording of an engine that can't send again, over a real socket, its ingest killed at a
 * drawn place in the middle and started again. Every run must end in one of the documented ways; data to stdout, talk to
 * stderr.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '../../src/config/index.ts';
import { reasonOf } from '../../src/logging/reason-of.ts';
import { writeOracle } from '../../src/simulator/oracle.ts';
import { Random } from '../../src/simulator/random.ts';
import { recordingLine } from '../../src/simulator/recording.ts';
import { Simulation } from '../../src/simulator/simulation.ts';
import { InterruptedError, progressFor } from '../../src/stack/index.ts';
import { endWhenDone } from './ending.ts';
import { encodeMessage } from '../../src/wire/encode.ts';
import { outcomeOf } from './classic-outcome.ts';
import { killedInTheMiddle, type Recording } from './classic-run.ts';
import { startServers, type Servers } from './servers.ts';

const FAILED_EXIT_CODE = 1;
const NOT_RUN_EXIT_CODE = 2;
const data = (name: string): string => fileURLToPath(new URL(`../data/${name}`, import.meta.url));
/** Trades of the longer recording, made by the simulator. */
const LONG_TRADES = 1_500;

interface Flags {
  readonly runs: number;
  readonly seed: number;
}

async function classic({ runs, seed }: Flags): Promise<void> {
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new InterruptedError());
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'settled-classic-'));
  const progress = progressFor(process.stderr);
  const random = new Random(seed);
  let servers: Servers | undefined;
  let keep = true;
  try {
    const recordings = [
      { path: data('classic-e2e.jsonl'), oracle: data('classic-e2e.oracle.json'), messages: 343 },
      await longRecording(folder, seed),
    ];
    const config = loadConfig({ SETTLED_STACK_CASSANDRA_COMMITLOG_SYNC: 'batch', ...process.env });
    servers = await startServers(config, { nodes: 1, progress, signal: abort.signal });
    const outcomes: Record<string, number> = {};
    for (let number = 1; number <= runs; number += 1) {
      abort.signal.throwIfAborted();
      const recording = recordings[number % recordings.length]!;
      const name = `classic-${seed}-${number}`;
      const logs = join(folder, name);
      mkdirSync(logs);
      const step = progress.step(`${number}/${runs} of ${recording.messages} messages`, { slow: true });
      const ending = await killedInTheMiddle({
        name,
        logs,
        recording,
        servers,
        share: 0.05 + 0.9 * random.fraction(),
      });
      const outcome = outcomeOf(ending);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      step.done(
        `killed after ${ending.killedAt}: ${outcome}${ending.stop ? `, ${ending.stop.message}` : ''}`,
      );
      if (outcome === 'UNEXPLAINED') process.stderr.write(`${JSON.stringify(ending)}\n`);
    }
    process.stdout.write(`${JSON.stringify({ seed, runs, outcomes })}\n`);
    keep = (outcomes['UNEXPLAINED'] ?? 0) > 0;
    if (keep) process.exitCode = FAILED_EXIT_CODE;
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`);
    process.exitCode = NOT_RUN_EXIT_CODE;
  } finally {
    await servers?.stop();
    if (keep) process.stderr.write(`Seed ${seed}; logs are in ${folder}\n`);
    else rmSync(folder, { recursive: true, force: true });
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** A stream of the simulator as a classic engine would send it: only trades are numbered, and state versions. */
async function longRecording(folder: string, seed: number): Promise<Recording> {
  const [path, oracle] = [join(folder, 'long.jsonl'), join(folder, 'long.oracle.json')];
  const simulation = new Simulation({ scenario: 'random', seed, trades: LONG_TRADES, users: 20 });
  const lines: string[] = [];
  let trades = 0;
  for (const message of simulation.events()) {
    const [topic, body] = encodeMessage(message);
    let text = body.toString();
    if ('trade_id' in message)
      text = text.replace(/"output_sequence":\d+/, `"output_sequence":${(trades += 1)}`);
    else text = text.replace(/"sequence_id":\d+/, '"sequence_id":0').replace(/,"version":\d+/, '');
    lines.push(recordingLine([topic, Buffer.from(text)]));
  }
  writeFileSync(path, `${lines.join('\n')}\n`);
  await writeOracle(oracle, simulation.oracle());
  return { path, oracle, messages: lines.length };
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('A whole number is needed.');
  return value;
}

await new Command('chaos:classic')
  .description(
    'kill and restart the ingest of a classic stream (exit codes: 0 each run ended as documented, 1 not so, 2 could not run)',
  )
  .option('--runs <n>', 'how many', count, 20)
  .option('--seed <n>', 'draws where the ingest is killed', count, 1)
  .action(classic)
  .parseAsync();
endWhenDone();
