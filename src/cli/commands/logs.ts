/**
 * `settled logs`: what the servers of the stack have logged, and, with `-f`, what they go on to log.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '../../config/index.ts';
import { type LogsOptions, SERVERS, type ServerName, showLogs } from '../../stack/index.ts';

interface Flags {
  readonly home?: string;
  readonly follow?: boolean;
  readonly lines: number;
}

function serverName(value: string): ServerName {
  const server = SERVERS.find((name) => name === value);
  if (server === undefined) throw new InvalidArgumentError(`It must be ${SERVERS.join(' or ')}.`);
  return server;
}

function lineCount(value: string): number {
  if (/^\d{1,6}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('It must be a number of lines.');
}

/** Names the server whenever it is another than before. */
function headedWriter(): LogsOptions['write'] {
  let last: ServerName | undefined;
  return (text, server) => {
    if (server !== last) process.stdout.write(`${last === undefined ? '' : '\n'}==> ${server} <==\n`);
    last = server;
    process.stdout.write(text);
  };
}

async function logs(server: ServerName | undefined, { home, follow, lines }: Flags): Promise<void> {
  const config = loadConfig(process.env, home === undefined ? {} : { stack: { home } });
  const abort = new AbortController();
  const interrupt = () => abort.abort();
  if (follow === true) process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const shown = await showLogs(config.stack.home, {
    lines,
    write: server === undefined ? headedWriter() : (text) => void process.stdout.write(text),
    ...(server === undefined ? {} : { servers: [server] }),
    ...(follow === true ? { follow: { signal: abort.signal } } : {}),
  });
  if (shown || follow === true) return;
  process.stderr.write(`No logs in ${config.stack.home}: the stack was not started there.\n`);
  process.exitCode = 1;
}

/** Adds the command. */
export function register(program: Command): void {
  program
    .command('logs')
    .description('show the logs of Temporal and Cassandra (exit codes: 0 shown, 1 could not)')
    .argument('[server]', 'temporal or cassandra', serverName)
    .option('--home <folder>', 'where data and logs are kept (SETTLED_HOME)')
    .option('-n, --lines <count>', 'how many lines from the end', lineCount, 200)
    .option('-f, --follow', 'go on until interrupted')
    .action(logs);
}
