/**
 * `npm run sim:planted -- [--seeds N] [--from S] [--only NAME,NAME] [--json]`: plants each bug in turn and runs seeds on the
 * copy until one shows a violation. Data to stdout, talk to stderr. Exit codes: 0 all found, 1 one was not, 2 a bug that
 * cannot be planted or a run that broke.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { reasonOf } from '../../../src/logging/reason-of.ts';
import { bundleInto } from '../bundle.ts';
import { NODE_FLAGS } from '../jobs.ts';
import { PLANTED_BUGS } from './bugs.ts';
import { plant } from './plant.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');

const NOT_FOUND_EXIT_CODE = 1;
const BROKEN_EXIT_CODE = 2;

const HELP = `npm run sim:planted -- [options]: plants each bug in a copy of the source, and runs seeds until one shows it

  --seeds N          so many seeds at most for each (5000)
  --from S           beginning with this one (1)
  --only NAME,NAME   these bugs alone (test/sim/planted/bugs.ts)
  --json             one JSON object on stdout

exit codes: 0 all found, 1 one was not, 2 a bug that cannot be planted, or a run that broke`;

/**
 * What was seen of a planted bug, as the run printed it. `seeds`: how many were run, the one that found it included; `by`: what
 * did not hold; `traced`: how many lines of the failing seed's trace there were; `replay`: the command that shows it again.
 */
interface Finding {
  readonly found: boolean;
  readonly seeds: number;
  readonly invariant: string;
  readonly by: string;
  readonly traced: number;
  readonly replay: string;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '5000' },
      from: { type: 'string', default: '1' },
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const only = values.only?.split(',');
  const unknown = only?.filter((name) => !PLANTED_BUGS.some((bug) => bug.name === name)) ?? [];
  if (unknown.length > 0)
    throw new Error(`no bug is named ${unknown.join(', ')}: test/sim/planted/bugs.ts has their names`);

  const planted: Record<string, Finding> = {};
  for (const bug of PLANTED_BUGS) {
    if (only && !only.includes(bug.name)) continue;
    const { folder, remove } = plant(ROOT, bug);
    try {
      const { seeds, from } = values;
      const file = await bundleInto(folder, folder);
      const args = [
        ...NODE_FLAGS,
        file,
        '--seeds',
        seeds,
        '--from',
        from,
        '--failures',
        '1',
        '--jobs',
        '1',
        '--json',
      ];
      const run = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
      const result = /^\{.*\}$/m.exec(run.stdout)?.[0];
      if (result === undefined) throw new Error(`${bug.name}: the run broke: ${run.stderr.slice(-2_000)}`);
      const { seeds: ran, violations } = JSON.parse(result) as { seeds: number; violations: number };
      const by = /^VIOLATION in seed \d+: (.*)$/m.exec(run.stderr)?.[1] ?? '';
      const traced = /^[^]*?(?=^seed \d+: )/m.exec(run.stderr)?.[0].split('\n').length ?? 0;
      const replay = /^replay: (.*)$/m.exec(run.stderr)?.[1] ?? '';
      planted[bug.name] = { found: violations > 0, seeds: ran, invariant: bug.invariant, by, traced, replay };
      process.stderr.write(
        `${bug.invariant.padEnd(4)} ${bug.name}: ${violations > 0 ? `found in ${ran} seeds: ${by.slice(0, 140)}` : `NOT FOUND in ${ran} seeds`}\n`,
      );
    } finally {
      remove();
    }
  }
  const missed = Object.values(planted).filter(({ found }) => !found).length;
  if (values.json) process.stdout.write(`${JSON.stringify({ planted })}\n`);
  else process.stdout.write(`${Object.keys(planted).length} bugs planted, ${missed} not found\n`);
  return missed > 0 ? NOT_FOUND_EXIT_CODE : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exitCode = BROKEN_EXIT_CODE;
}
