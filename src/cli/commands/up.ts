/**
 * `settled up`: brings both servers up and leaves them running.
 */
import type { Command } from 'commander';
import { type ConfigOverrides, loadConfig } from '../../config/index.ts';
import { InterruptedError, progressFor, stackOptions, startStack } from '../../stack/index.ts';

/** What an interrupted command ends with, by the shell's custom. */
const INTERRUPTED_EXIT_CODE = 130;

interface Flags {
  readonly home?: string;
  readonly freePorts?: boolean;
}

async function up(flags: Flags): Promise<void> {
  const stack: ConfigOverrides['stack'] = {
    ...(flags.home === undefined ? {} : { home: flags.home }),
    ...(flags.freePorts === true ? { ports: 'free' } : {}),
  };
  const config = loadConfig(process.env, { stack });
  const abort = new AbortController();
  const interrupt = () => abort.abort();
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    const running = await startStack({
      ...stackOptions(config),
      progress: progressFor(process.stderr),
      signal: abort.signal,
    });
    const { temporal, cassandra } = running.started;
    process.stdout.write(
      [
        temporal || cassandra ? 'The stack is up.' : 'The stack was up already.',
        `  Temporal    ${running.temporalAddress}`,
        `  web UI      ${running.temporalUiUrl ?? 'unknown (SETTLED_TEMPORAL_UI_URL)'}`,
        `  Cassandra   ${running.cassandraContactPoints.map((host) => `${host}:${running.cassandraPort}`).join(', ')}`,
        `  data, logs  ${running.home}`,
        '',
      ].join('\n'),
    );
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = INTERRUPTED_EXIT_CODE;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** Adds the command. */
export function register(program: Command): void {
  program
    .command('up')
    .description(
      'start Temporal and Cassandra on this machine, and wait until they answer (exit codes: 0 up, 1 could not, 130 interrupted)',
    )
    .option('--home <folder>', 'where data and logs are kept (SETTLED_HOME)')
    .option('--free-ports', 'use any free ports (SETTLED_STACK_PORTS=free)')
    .action(up);
}
