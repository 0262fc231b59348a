/** What a run proves in the end: the database held against the engine's books, by the product's audit and row by row. */
import { join } from 'node:path';
import { Child } from '../../src/cli/demo/child.ts';
import { ledgerOptions } from '../../src/cli/ledger-options.ts';
import type { AuditReport } from '../../src/audit/index.ts';
import { connect } from '../../src/ledger/connection.ts';
import type { Books } from './books.ts';
import { ChaosError, type Patience } from './patience.ts';
import { reckon, type Reckoning } from './reckoning.ts';
import { STREAM, type Scene } from './scene.ts';
import type { Endings } from './supervised.ts';

/**
 * How a process of ours may end by itself under faults: it could not run (1), events were in flight at the end (4), its lease ended
 * (5). A stream that stops (3) has no reason here, and no process may crash.
 */
const EXPECTED_ENDINGS: ReadonlySet<string> = new Set([
  'exit code 0',
  'exit code 1',
  'exit code 4',
  'exit code 5',
]);
const VERIFY_MS_MAX = 180_000;
const COUNT_MS_MAX = 120_000;

/** What is used of an audit's report. */
type Audited = Pick<AuditReport, 'ok' | 'findings' | 'findingsTotal' | 'complete' | 'counts'>;

/** The product's audit against the books. What it left open counts as a finding: the stream is at rest. */
export async function verify(
  scene: Scene,
  patience: Patience,
  oracle: string,
  books: Books,
): Promise<{ findings: number; first?: string }> {
  const { progress, folder } = scene.options;
  const step = progress.step('Verifying');
  const child = new Child({
    args: ['verify', '--stream', STREAM, '--oracle', oracle, '--json'],
    env: scene.env,
    logPath: join(folder, 'logs', 'verify.log'),
  });
  try {
    const { code, stdout } = await patience.within('settled verify', VERIFY_MS_MAX, () => child.ended);
    if (stdout.trim() === '')
      throw new ChaosError(`settled verify ended with exit code ${code}:\n${child.logTail}`);
    const report = JSON.parse(stdout) as Audited;
    const open = leftOpen(report, books);
    const first = report.findings[0]?.detail ?? open[0];
    const findings = (report.ok ? 0 : Math.max(report.findingsTotal, 1)) + open.length;
    step.done(findings === 0 ? 'clean' : `${findings} findings`);
    return { findings, ...(first === undefined ? {} : { first }) };
  } finally {
    child.kill();
  }
}

/** What an audit of a stream at rest must not leave open, in words: nothing was wrong with this engine. */
export function leftOpen({ complete, counts }: Audited, { events }: Pick<Books, 'events'>): string[] {
  const { rejected, dismissed, moving, watermark, inFlight } = counts;
  const mustBeNone = { rejected, dismissed, moving, ...inFlight };
  return [
    ...(complete ? [] : ['the audit was not complete']),
    ...(watermark === `${events}` ? [] : [`the watermark is ${watermark}, of ${events} events`]),
    ...Object.entries(mustBeNone).flatMap(([what, found]) =>
      found === 0 ? [] : [`the audit counts ${found} of: ${what}`],
    ),
  ];
}

export function count(scene: Scene, patience: Patience, books: Books): Promise<Reckoning> {
  const step = scene.options.progress.step('Counting');
  return patience.within('the count of all rows', COUNT_MS_MAX, async () => {
    const client = await connect(ledgerOptions(scene.config));
    try {
      const reckoning = await reckon(client, STREAM, books);
      step.done(`${reckoning.events} events, ${reckoning.lost} lost, ${reckoning.doubled} doubled`);
      return reckoning;
    } finally {
      await client.shutdown();
    }
  });
}

/** Why a run failed by what was found, or undefined. */
export function failureOf(
  findings: number,
  first: string | undefined,
  reckoning: Reckoning,
  endings: Readonly<Record<string, Endings>>,
): string | undefined {
  const { lost, doubled, examples } = reckoning;
  if (lost + doubled > 0) return `${lost} lost, ${doubled} doubled: ${examples.join('; ')}`;
  if (findings > 0) return `${findings} findings, the first: ${first}`;
  for (const [name, how] of Object.entries(endings))
    for (const [ending, times] of Object.entries(how))
      if (!EXPECTED_ENDINGS.has(ending)) return `${name} ended by itself: ${ending}, ${times} times`;
  return undefined;
}
