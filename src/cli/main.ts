/**
 * The command line. It wires the commands together, and turns whatever goes wrong into plain words on stderr and the
 * exit code 1.
 */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { unknownVariables } from '../config/index.ts';
import { reasonOf } from '../logging/reason-of.ts';
import { endWithParent } from './parent.ts';

/** What is left open may hold the process up for so long after its command is done, ms. */
const END_MS_MAX = 1_000;

endWithParent();

/** What loads each command. Loading all of them takes longer than most of them run. */
const COMMANDS: Readonly<Record<string, () => Promise<{ readonly register: (program: Command) => void }>>> = {
  demo: () => import('./commands/demo.ts'),
  up: () => import('./commands/up.ts'),
  down: () => import('./commands/down.ts'),
  logs: () => import('./commands/logs.ts'),
  migrate: () => import('./commands/migrate.ts'),
  worker: () => import('./commands/worker.ts'),
  ingest: () => import('./commands/ingest.ts'),
  simulate: () => import('./commands/simulate.ts'),
  status: () => import('./commands/status.ts'),
  event: () => import('./commands/event.ts'),
  trade: () => import('./commands/trade.ts'),
  verify: () => import('./commands/verify.ts'),
  partition: () => import('./commands/partition.ts'),
  keygen: () => import('./commands/keygen.ts'),
  settings: () => import('./commands/settings.ts'),
  quarantine: () => import('./commands/quarantine.ts'),
  rejected: () => import('./commands/rejected.ts'),
};

const program = new Command('settled')
  .description('Durable, inspectable settlement for matching engines.')
  .version(packageVersion());
const [, , name = ''] = process.argv;
// One that is named is loaded alone: an ingest or a worker that is started again must not wait for the others.
const loaded = Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]!] : Object.values(COMMANDS);
for (const { register } of await Promise.all(loaded.map((load) => load()))) register(program);

for (const { variable, meant } of unknownVariables(process.env)) {
  // The tests' own variables are not for the program.
  if (variable.startsWith('SETTLED_TEST_')) continue;
  process.stderr.write(`${variable} is no setting of ours${meant ? `; is ${meant} meant?` : ''}\n`);
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exitCode = 1;
}
// After it has lost its server and found it again, the Cassandra driver leaves sockets open that no shutdown closes. A
// command that is done ends all the same.
setTimeout(() => process.exit(), END_MS_MAX).unref();

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
