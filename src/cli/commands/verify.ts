/**
 * `settled verify`: audits the database and says what is wrong, one line a finding, with the ids that a person needs
 * to look at the rows. Its exit code is 0 only where nothing was found.
 */
import type { Command } from 'commander';
import { audit, FINDING_KINDS, type AuditReport, type Finding } from '../../audit/index.ts';
import { loadConfig } from '../../config/index.ts';
import { readConsistencyOf } from '../../ledger/connection.ts';
import { LiveLine } from '../../logging/live-line.ts';
import { reasonOf } from '../../logging/reason-of.ts';
import { openDatabase } from '../cassandra-connection.ts';
import { ledgerOptions } from '../ledger-options.ts';

const FINDINGS_EXIT_CODE = 1;
const NOT_RUN_EXIT_CODE = 2;
const PROGRESS_INTERVAL_MS = 200;

interface Flags {
  readonly stream?: string;
  readonly oracle?: string;
  readonly json?: true;
  readonly record: boolean;
}

async function verify(flags: Flags): Promise<void> {
  try {
    const report = await auditDatabase(flags);
    process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : `${describe(report).join('\n')}\n`);
    if (!report.ok) process.exitCode = FINDINGS_EXIT_CODE;
  } catch (error) {
    process.stderr.write(`not verified: ${reasonOf(error)}\n`);
    process.exitCode = NOT_RUN_EXIT_CODE;
  }
}

async function auditDatabase({ stream, oracle, record }: Flags): Promise<AuditReport> {
  const config = loadConfig(process.env);
  const client = await openDatabase(config);
  const progress = new LiveLine({ everyMs: PROGRESS_INTERVAL_MS });
  try {
    return await audit(client, {
      record,
      consistency: readConsistencyOf(ledgerOptions(config)),
      onProgress: (table, rows) => progress.show(() => `reading ${table}: ${rows}`),
      ...(stream === undefined ? {} : { stream }),
      ...(oracle === undefined ? {} : { oracle }),
    });
  } finally {
    progress.end();
    await client.shutdown();
  }
}

function describe(report: AuditReport): string[] {
  const { counts } = report;
  const { deposit, withdraw, lock, unlock } = counts.ledgerEvents;
  const reasons = Object.entries(counts.rejectedByReason).map(([reason, count]) => `${count} ${reason}`);
  const lines = [
    ...report.streams.map(
      (stream) =>
        `stream ${stream.stream} (${stream.dialect}): watermark ${stream.watermark}, ${stream.lines} lines`,
    ),
    `events    ${counts.events}: ${counts.trades} trades, ${deposit} deposits, ${withdraw} withdrawals, ${lock} locks, ${unlock} unlocks`,
    `entries   ${counts.entries} of ${counts.balances} balances`,
    `rejected  ${counts.rejected}${reasons.length > 0 ? `: ${reasons.join(', ')}` : ''}`,
    `set aside ${counts.quarantined} quarantined, ${counts.dismissed} dismissed`,
  ];
  const { inFlight } = counts;
  if (inFlight.events + inFlight.lines > 0)
    lines.push(
      `in flight ${inFlight.lines} lines and ${inFlight.events} events above the watermark, ${inFlight.entriesToCome} entries to come`,
    );
  if (counts.moving > 0) lines.push(`moving    ${counts.moving} balances changed meanwhile`);
  for (const { asset, deposits, withdrawals, available, frozen } of report.assets)
    lines.push(
      `asset ${asset}: ${deposits} deposited − ${withdrawals} withdrawn, ${available} available + ${frozen} frozen`,
    );
  lines.push(...dismissedLines(report));
  for (const finding of report.findings) lines.push(`FOUND ${describeFinding(finding)}`);
  if (report.findingsTotal > report.findings.length)
    lines.push(`… and ${report.findingsTotal - report.findings.length} more`);
  if (!report.complete)
    lines.push(
      report.findingsTotal > 0
        ? 'So much differs that only a part was looked into: verify again when this is repaired.'
        : 'So much moved meanwhile that only a part was looked into: verify again while streams are quiet.',
    );
  const against = report.oracle ? ', every balance as the engine has it' : '';
  const seconds = (report.elapsedMs / 1000).toFixed(1);
  lines.push(
    report.ok ? `clean${against} (${seconds} s)` : `${report.findingsTotal} findings (${seconds} s)`,
  );
  return lines;
}

/** What people passed over: reported always, whatever else is found. */
function dismissedLines({ dismissed, explained, counts }: AuditReport): string[] {
  const lines = dismissed.flatMap(({ stream, sequence, event, finished, who, why, at, balances }) => [
    `DISMISSED ${event ?? `sequence ${sequence}`} of stream ${stream}, by ${who ?? 'whom is not known'}, ${at ?? 'when is not known'}: ${why ?? 'why is not known'}` +
      (finished ? '' : ' (begun, not finished: repeat it)'),
    ...balances.map(
      ({ user, asset, availableChange, frozenChange, versions, taken }) =>
        `  balance ${user}/${asset}: available ${availableChange}, frozen ${frozenChange} in the engine's book and not here; ` +
        `${versions} version${versions === 1 ? '' : 's'} ${taken ? 'taken as void' : 'not taken'}`,
    ),
  ]);
  if (counts.dismissed > dismissed.length)
    lines.push(`DISMISSED ${counts.dismissed - dismissed.length} more`);
  return [...lines, ...explained.map((what) => `EXPLAINED ${what}`)];
}

function describeFinding({ kind, detail }: Finding): string {
  return `${kind}: ${detail}`;
}

/** Adds the command. */
export function register(program: Command): void {
  const kinds = Object.entries(FINDING_KINDS).map(([kind, meaning]) => `  ${kind.padEnd(24)} ${meaning}`);
  program
    .command('verify')
    .description('audit the settled database, and hold it against the books of the engine')
    .option(
      '--stream <name>',
      "the stream whose log is looked at (otherwise every one's); balances and entries are always audited in full",
    )
    .option('--oracle <file>', "also hold every balance against the engine's, as this file has them")
    .option('--json', 'print the report as one JSON object')
    .option('--no-record', 'do not keep the run in audit_runs and audit_findings')
    .addHelpText(
      'after',
      [
        '',
        'Exit codes: 0 clean, 1 something was found, 2 it could not be run (no database, no such stream, bad oracle).',
        '',
        'What can be found:',
        ...kinds,
      ].join('\n'),
    )
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : NOT_RUN_EXIT_CODE))
    .action(verify);
}
