/**
 * `npm run fuzz`: mutated frames through the real decoder, and a share of them through a real socket. Data goes to
 * stdout, talk to stderr, and to a terminal only what changes.
 */
import { Command, InvalidArgumentError } from 'commander';
import { LiveLine } from '../../src/logging/live-line.ts';
import { fuzz, type FuzzReport } from './run.ts';

/** A crash, a frame not accounted for, an event that changed, or a reason that never struck. */
const FOUND_EXIT_CODE = 1;
const USAGE_EXIT_CODE = 2;
/** In a shorter run a rare reason may not strike. */
const COVERAGE_FRAMES_MIN = 20_000;
const PROGRESS_MS = 250;

interface Flags {
  readonly frames: number;
  readonly seed: number;
  readonly json?: true;
}

async function run(flags: Flags): Promise<void> {
  const progress = new LiveLine({ everyMs: PROGRESS_MS });
  const report = await fuzz({
    ...flags,
    onProgress: (done) => {
      progress.show(() => `${done} of ${flags.frames} frames`);
    },
  });
  progress.end();
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : `${describe(report)}\n`);
  for (const failure of report.failures) process.stderr.write(`${JSON.stringify(failure)}\n`);
  if (!isClean(report)) process.exitCode = FOUND_EXIT_CODE;
}

function isClean({ frames, crashes, accounted, failures, missing }: FuzzReport): boolean {
  const isCovered = missing.length === 0 || frames < COVERAGE_FRAMES_MIN;
  return crashes === 0 && accounted === frames && failures.length === 0 && isCovered;
}

function describe(report: FuzzReport): string {
  const counts = (of: Readonly<Record<string, number>>): string =>
    Object.entries(of)
      .sort(([, a], [, b]) => b - a)
      .map(([name, times]) => `  ${name.padEnd(22)} ${times}`)
      .join('\n');
  return [
    `${report.frames} frames (seed ${report.seed}, ${report.throughSocket} through a socket) in ${report.seconds} s: ` +
      `${report.crashes} crashes, ${report.frames - report.accounted} unaccounted, ${report.failures.length} failures`,
    `accepted ${report.accepted}, duplicates ${report.duplicates}, events encoded again ${report.roundTrips}`,
    `rejected\n${counts(report.rejected)}`,
    `not continuing their stream\n${counts(report.stopped)}`,
    ...(report.missing.length > 0 ? [`never struck: ${report.missing.join(', ')}`] : []),
  ].join('\n');
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('A whole number is needed.');
  return value;
}

const program = new Command('fuzz')
  .description(
    'mutated frames through decoder and socket (exit codes: 0 clean, 1 something was found or a reason never struck, ' +
      '2 misuse)',
  )
  .option('--frames <n>', 'how many', count, 1_000_000)
  .option('--seed <n>', 'the same seed sends the same frames', count, 1)
  .option('--json', 'print the report as one JSON object')
  .exitOverride((error) => {
    process.exit(error.exitCode === 0 ? 0 : USAGE_EXIT_CODE);
  })
  .action(run);
await program.parseAsync();
