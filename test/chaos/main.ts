/**
 * `npm run chaos`: the product's real processes on real servers under faults. Data goes to stdout, talk to stderr; what
 * was started is stopped, whatever happens. Logs are kept where a run fails.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { reasonOf } from '../../src/logging/reason-of.ts';
import { InterruptedError, progressFor } from '../../src/stack/index.ts';
import { endWhenDone } from './ending.ts';
import { BARS_MS, describeReport } from './report.ts';
import { run } from './run.ts';

/** Something was lost, doubled or found, or the run did not come through. */
const FAILED_EXIT_CODE = 1;
/** It could not be run as it was asked for. */
const NOT_RUN_EXIT_CODE = 2;
const INTERRUPTED_EXIT_CODE = 130;
/** Where nothing else is asked for, a run may take so long, and so much longer for each fault, s. */
const SET_S_MAX = 300;
const FAULT_S_MAX = 60;

interface Flags {
  readonly faults: number;
  readonly seed: number;
  readonly nodes: '1' | '3';
  readonly workers: '1' | '2';
  readonly only?: string;
  readonly eventsBetween: number;
  readonly secondsMax?: number;
  readonly json?: true;
  readonly keepLogs?: true;
}

async function chaos(flags: Flags): Promise<void> {
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new InterruptedError());
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'settled-chaos-'));
  let keep = true;
  try {
    const report = await run({
      faults: flags.faults,
      seed: flags.seed,
      nodes: flags.nodes === '3' ? 3 : 1,
      workers: flags.workers === '2' ? 2 : 1,
      ...(flags.only === undefined ? {} : { only: flags.only.split(',') }),
      eventsBetween: flags.eventsBetween,
      msMax: 1000 * (flags.secondsMax ?? SET_S_MAX + flags.faults * FAULT_S_MAX),
      folder,
      progress: progressFor(process.stderr),
      signal: abort.signal,
    });
    if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else process.stdout.write(`${describeReport(report)}\n`);
    keep = !report.ok || flags.keepLogs === true;
    if (!report.ok) {
      process.exitCode = FAILED_EXIT_CODE;
      process.stderr.write(`FAILED with seed ${flags.seed}: ${report.failure}\n`);
    }
    const { ours } = report.backToWorkMs;
    if (ours.p50 > BARS_MS.p50 || ours.max > BARS_MS.max)
      process.stderr.write(
        `Back to work later than it should be: ${ours.p50} ms (${BARS_MS.p50}), at most ${ours.max} ms (${BARS_MS.max})\n`,
      );
  } catch (error) {
    keep = !abort.signal.aborted;
    process.stderr.write(`${reasonOf(error)}\n`);
    process.exitCode = abort.signal.aborted ? INTERRUPTED_EXIT_CODE : NOT_RUN_EXIT_CODE;
  } finally {
    if (keep) process.stderr.write(`Logs are in ${folder}\n`);
    else rmSync(folder, { recursive: true, force: true });
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('A whole number is needed.');
  return value;
}

await new Command('chaos')
  .description(
    'settle a stream while its processes are killed and stopped and its links disturbed, and prove the result ' +
      '(exit codes: 0 nothing lost, doubled or found; 1 not so; 2 could not run; 130 interrupted)',
  )
  .option('--faults <n>', 'how many faults strike', count, 20)
  .option('--seed <n>', 'draws faults and stream', count, 1)
  .addOption(new Option('--nodes <n>', 'Cassandra nodes').choices(['1', '3']).default('1'))
  .addOption(new Option('--workers <n>', 'worker processes').choices(['1', '2']).default('1'))
  .option('--only <names>', 'draw from these faults alone, separated by commas')
  .option('--events-between <n>', 'events that settle between two faults, on average', count, 1_000)
  .option('--seconds-max <n>', 'the run fails when it takes longer (300, and 60 for each fault)', count)
  .option('--keep-logs', 'keep the logs of a good run too')
  .option('--json', 'print the report as one JSON object')
  .action(chaos)
  .parseAsync();
endWhenDone();
