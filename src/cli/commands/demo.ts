/**
 * `settled demo`: the main job on the real servers. It starts them, settles a stream that comes over a real socket,
 * proves the result by an audit, says where to look, and stops what it started.
 */
import { existsSync, mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { loadConfig, replicationCql, type Config } from '../../config/index.ts';
import { partitionOf } from '../../domain/partition.ts';
import { connect } from '../../ledger/connection.ts';
import { migrate } from '../../ledger/migrate.ts';
import { reasonOf } from '../../logging/reason-of.ts';
import {
  InterruptedError,
  progressFor,
  stackOptions,
  startStack,
  startTemporaryStack,
  type Progress,
  type RunningStack,
} from '../../stack/index.ts';
import { partitionWorkflowId } from '../../workflows/contract.ts';
import { Child } from '../demo/child.ts';
import { runPipeline, total, type PipelineOutcome } from '../demo/pipeline.ts';
import { describeReport, type DemoReport } from '../demo/report.ts';
import { ledgerOptions } from '../ledger-options.ts';
import { runUrl, temporalClient } from '../temporal-connection.ts';

/** Something is wrong with the result: findings, a stop, events unsettled. */
const NOT_CLEAN_EXIT_CODE = 1;
/** The demonstration could not be run. */
const FAILED_EXIT_CODE = 2;
const INTERRUPTED_EXIT_CODE = 130;

interface Flags {
  readonly keep?: boolean;
  readonly seed?: number;
  readonly trades?: number;
  readonly users?: number;
  readonly from?: string;
  readonly classic?: boolean;
  readonly oracle?: string;
  readonly json?: boolean;
}

interface Verified {
  readonly ok: boolean;
  readonly findings: readonly unknown[];
  readonly counts: {
    readonly trades: number;
    readonly ledgerEvents: Readonly<Record<string, number>>;
    readonly entries: number;
    readonly rejected: number;
  };
}

async function demo(flags: Flags): Promise<void> {
  const misuse = misuseOf(flags);
  if (misuse !== undefined) {
    process.stderr.write(`${misuse}\n`);
    process.exitCode = FAILED_EXIT_CODE;
    return;
  }
  const abort = new AbortController();
  const interrupt = (): void => {
    abort.abort(new InterruptedError());
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const progress = progressFor(process.stderr);
  let stack: RunningStack | undefined;
  let stopStack = false;
  const base = loadConfig(process.env);
  const folder = mkdtempSync(join(tmpdir(), 'settled-demo-'));
  let keepFolder = flags.keep === true;
  try {
    const options = { ...stackOptions(base), progress, signal: abort.signal };
    stack = flags.keep ? await startStack(options) : await startTemporaryStack(options);
    stopStack = !flags.keep;
    const place = await freshPlace(stack, flags);
    await job(flags, place, folder, progress, abort.signal);
  } catch (error) {
    keepFolder ||= !(error instanceof InterruptedError);
    const interrupted = abort.signal.aborted;
    process.stderr.write(`${reasonOf(error)}\n`);
    process.exitCode = interrupted ? INTERRUPTED_EXIT_CODE : FAILED_EXIT_CODE;
  } finally {
    // An interrupt while the servers stop changes nothing: they are stopped first.
    if (stack && stopStack) {
      const step = progress.step('Stopping the servers');
      await stack.stop();
      step.done('stopped');
    }
    if (!keepFolder) rmSync(folder, { recursive: true, force: true });
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** Flags that do not go together. */
function misuseOf({ from, oracle, classic, seed, trades, users }: Flags): string | undefined {
  if (from === undefined && oracle !== undefined) return '--oracle belongs to a recording: give --from FILE';
  if (from === undefined && classic) return '--classic belongs to a recording: give --from FILE';
  if (from !== undefined && [seed, trades, users].some((one) => one !== undefined))
    return '--seed, --trades and --users make a simulated stream, --from sends a recorded one: give one or the other';
  const missing = [from, oracle].find((file) => file !== undefined && !existsSync(file));
  return missing === undefined ? undefined : `there is no file ${missing}`;
}

/** Where the run settles: the user's names where they are unused, else new ones, since balances can't start over. */
interface Place {
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
}

async function freshPlace(stack: RunningStack, flags: Flags): Promise<Place> {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    SETTLED_HOME: stack.home,
    SETTLED_STREAM_KIND: flags.classic ? 'classic' : 'numbered',
    SETTLED_INGEST_BIND: 'false',
    SETTLED_INGEST_CONTROL_ENDPOINT: '',
    ...(flags.from === undefined ? { SETTLED_INSTRUMENTS: '[]' } : {}),
  };
  const config = loadConfig(env);
  const temporal = await temporalClient(config);
  try {
    const used = temporal.workflow.list({
      query: `WorkflowId STARTS_WITH 'settle-${config.stream.name}-'`,
      pageSize: 1,
    });
    let isUsed = await hasKeyspace(config);
    for await (const _ of used) {
      isUsed = true;
      break;
    }
    if (!isUsed) return { config, env };
  } finally {
    await temporal.connection.close();
  }
  const suffix = Date.now().toString(36);
  const fresh = { ...env, SETTLED_STREAM: `demo-${suffix}`, SETTLED_CASSANDRA_KEYSPACE: `demo_${suffix}` };
  return { config: loadConfig(fresh), env: fresh };
}

/** True if the configured keyspace exists: somebody's balances may be in it. */
async function hasKeyspace(config: Config): Promise<boolean> {
  const client = await connect(ledgerOptions(config), 'cluster');
  try {
    const query = 'SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?';
    return (await client.execute(query, [config.cassandra.keyspace])).rows.length > 0;
  } finally {
    await client.shutdown();
  }
}

async function job(
  flags: Flags,
  { config, env }: Place,
  folder: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const migrating = progress.step('Migrating');
  await migrate(ledgerOptions(config), replicationCql(config.cassandra.replication));
  migrating.done(`keyspace ${config.cassandra.keyspace}`);
  const logs = join(folder, 'logs');
  mkdirSync(logs, { recursive: true });
  const oracle = oracleFile(flags, folder);
  const settling = progress.step('Settling');
  const outcome = await runPipeline({
    env,
    folder: logs,
    stream: config.stream.name,
    classic: flags.classic === true,
    // A recording is sent as it was recorded, whatever stands in it.
    outbox: flags.from === undefined ? join(folder, 'outbox') : undefined,
    simulateArgs: simulateArgs(flags, oracle),
    signal,
    onProgress: (sent, { messages, watermark }) => {
      settling.update(`${watermark} settled, ${messages}${sent === undefined ? '' : ` of ${sent}`} received`);
    },
  });
  settling.done(
    `${outcome.progress.watermark} of ${total(outcome.sent) || outcome.progress.messages} messages`,
  );
  const verifying = progress.step('Verifying');
  const verified = await verify(config, env, logs, outcome.stop ? undefined : oracle, signal);
  verifying.done(verified.ok ? 'clean' : `${verified.findings.length} findings`);
  const report = reportOf(config, outcome, verified, outcome.stop ? undefined : oracle, await uiOf(config));
  const text = describeReport(report, {
    deposits: outcome.sent['DEPOSIT'] ?? 0,
    trades: outcome.sent['TRADE'] ?? 0,
  });
  if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else process.stdout.write(`\n${text}\n`);
  if (flags.keep) await sayWhatIsKept(config, folder);
  if (report.errors > 0) process.exitCode = NOT_CLEAN_EXIT_CODE;
}

function oracleFile(flags: Flags, folder: string): string | undefined {
  if (flags.oracle !== undefined) return resolve(flags.oracle);
  return flags.from === undefined ? join(folder, 'oracle.json') : undefined;
}

function simulateArgs(flags: Flags, oracle: string | undefined): string[] {
  if (flags.from !== undefined) return ['--from', resolve(flags.from)];
  const args = ['--oracle-file', oracle ?? ''];
  if (flags.users !== undefined && flags.users > 3) args.push('--scenario', 'random');
  for (const [flag, value] of Object.entries({ seed: flags.seed, trades: flags.trades, users: flags.users }))
    if (value !== undefined) args.push(`--${flag}`, String(value));
  return args;
}

async function verify(
  config: Config,
  env: NodeJS.ProcessEnv,
  folder: string,
  oracle: string | undefined,
  signal: AbortSignal,
): Promise<Verified> {
  const child = new Child({
    args: ['verify', '--stream', config.stream.name, '--json', ...(oracle ? ['--oracle', oracle] : [])],
    env,
    logPath: join(folder, 'verify.log'),
  });
  const abort = (): void => {
    child.kill();
  };
  signal.addEventListener('abort', abort, { once: true });
  const { code, stdout } = await child.ended;
  signal.removeEventListener('abort', abort);
  signal.throwIfAborted();
  if ((code !== 0 && code !== 1) || stdout.trim() === '')
    throw new Error(`settled verify ended with exit code ${code} and no report:\n${child.logTail}`);
  return JSON.parse(stdout) as Verified;
}

function reportOf(
  config: Config,
  outcome: PipelineOutcome,
  verified: Verified,
  oracle: string | undefined,
  temporalUi: string,
): DemoReport {
  const { counts } = verified;
  const { stop, unsettled, seconds } = outcome;
  const errors = verified.findings.length + (verified.ok || verified.findings.length > 0 ? 0 : 1);
  return {
    deposits: counts.ledgerEvents['deposit'] ?? 0,
    trades: counts.trades,
    ledgerEvents: total(counts.ledgerEvents),
    rejected: counts.rejected,
    balanceUpdates: counts.entries,
    errors: errors + (stop ? 1 : 0) + (unsettled > 0 ? 1 : 0),
    tradesPerSecond: Math.round((counts.trades / seconds) * 10) / 10,
    audit: { ok: verified.ok, findings: verified.findings },
    temporalUi,
    seconds,
    events: counts.trades + total(counts.ledgerEvents),
    memoryMiB: { worker: outcome.workerMiB, ingest: outcome.ingestMiB },
    oracle: oracle !== undefined,
    stream: config.stream.name,
    keyspace: config.cassandra.keyspace,
    ...(stop ? { stopped: stop } : {}),
  };
}

/** The web UI's page of one partition's run: that of user 1001, or the first partition that has one. */
async function uiOf(config: Config): Promise<string> {
  const { name, partitions } = config.stream;
  const client = await temporalClient(config);
  try {
    const first = partitionOf(1001n, partitions);
    for (const partition of [first, ...Array.from({ length: partitions }, (_, index) => index)]) {
      try {
        const { runId, workflowId } = await client.workflow
          .getHandle(partitionWorkflowId(name, partition))
          .describe();
        return runUrl(config, workflowId, runId) ?? '';
      } catch {
        // A partition that no user lives in was never started.
      }
    }
    return config.temporal.uiUrl ?? '';
  } finally {
    await client.connection.close();
  }
}

async function sayWhatIsKept(config: Config, folder: string): Promise<void> {
  const { stack, stream, cassandra } = config;
  const names =
    cassandra.keyspace === 'settlement' ? '' : `SETTLED_CASSANDRA_KEYSPACE=${cassandra.keyspace} `;
  const client = await connect(ledgerOptions(config));
  const trade = (await client.execute('SELECT trade_id FROM settled_trades LIMIT 1')).rows[0];
  await client.shutdown();
  process.stderr.write(
    `\nThe servers are left up, without worker and ingest (data in ${stack.home}, logs of this run in ${folder}). Look around:\n` +
      `  ${names}npx settled status\n` +
      `  ${names}npx settled verify --stream ${stream.name}\n` +
      (trade ? `  ${names}npx settled trade show ${String(trade['trade_id'])}\n` : '') +
      `  npx settled down           (--wipe forgets the data)\n`,
  );
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('A whole number is needed.');
  return value;
}

/** Adds the command. */
export function register(program: Command): void {
  program
    .command('demo')
    // 1 is what the audit says.
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : FAILED_EXIT_CODE))
    .description(
      'settle a stream on the real servers and prove it (exit codes: 0 clean, 1 not clean, 2 could not run, 130 interrupted)',
    )
    .option('--keep', 'leave the servers up, in the home of this folder')
    .option('--seed <n>', 'another stream of the simulated engine', count)
    .option('--trades <n>', 'exactly so many trades (136)', count)
    .option('--users <n>', 'so many users (3)', count)
    .option('--from <file>', 'settle a recorded stream instead')
    .option('--classic', 'the recorded engine numbers trades only')
    .option('--oracle <file>', 'balances that the recorded stream must lead to')
    .option('--json', 'print the report as one JSON object')
    .action(demo);
}
