/** What a run proves in the end: the database held against the engine's books, by the product's audit and row by row. */
import { join } from 'node:path';
import { Child } from '../../src/cli/demo/child.ts';
import { ledgerOptions } from '../../src/cli/ledger-options.ts';
import { connect } from '../../src/ledger/connection.ts';
import type { Books } from './books.ts';
import { ChaosError, type Patience } from './patience.ts';
import { reckon, type Reckoning } from './reckoning.ts';
import { STREAM, type Scene } from './scene.ts';

const VERIFY_MS_MAX = 180_000;
const COUNT_MS_MAX = 120_000;

export async function verify(
  scene: Scene,
  patience: Patience,
  oracle: string,
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
    const report = JSON.parse(stdout) as {
      ok: boolean;
      findingsTotal: number;
      findings: { detail: string }[];
    };
    const first = report.findings[0]?.detail;
    const findings = report.ok ? 0 : Math.max(report.findingsTotal, 1);
    step.done(report.ok ? 'clean' : `${findings} findings`);
    return { findings, ...(first === undefined ? {} : { first }) };
  } finally {
    child.kill();
  }
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
): string | undefined {
  const { lost, doubled, examples } = reckoning;
  if (lost + doubled > 0) return `${lost} lost, ${doubled} doubled: ${examples.join('; ')}`;
  return findings > 0 ? `${findings} findings, the first: ${first}` : undefined;
}
