/**
 * The command line. It wires the commands together, and turns whatever goes wrong into plain words on stderr and the
 * exit code 1.
 */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { unknownVariables } from '../config/index.ts';
import { register as registerDemo } from './commands/demo.ts';
import { register as registerDown } from './commands/down.ts';
import { register as registerEvent } from './commands/event.ts';
import { register as registerIngest } from './commands/ingest.ts';
import { register as registerKeygen } from './commands/keygen.ts';
import { register as registerLogs } from './commands/logs.ts';
import { register as registerMigrate } from './commands/migrate.ts';
import { register as registerPartition } from './commands/partition.ts';
import { register as registerQuarantine } from './commands/quarantine.ts';
import { register as registerRejected } from './commands/rejected.ts';
import { register as registerSettings } from './commands/settings.ts';
import { register as registerSimulate } from './commands/simulate.ts';
import { register as registerStatus } from './commands/status.ts';
import { register as registerTrade } from './commands/trade.ts';
import { register as registerUp } from './commands/up.ts';
import { register as registerVerify } from './commands/verify.ts';
import { register as registerWorker } from './commands/worker.ts';
import { endWithParent } from './parent.ts';

/** What is left open may hold the process up for so long after its command is done, ms. */
const END_MS_MAX = 1_000;

endWithParent();

const program = new Command('settled')
  .description('Durable, inspectable settlement for matching engines.')
  .version(packageVersion());
for (const register of [
  registerDemo,
  registerUp,
  registerDown,
  registerLogs,
  registerMigrate,
  registerWorker,
  registerIngest,
  registerSimulate,
  registerStatus,
  registerEvent,
  registerTrade,
  registerVerify,
  registerPartition,
  registerKeygen,
  registerSettings,
  registerQuarantine,
  registerRejected,
])
  register(program);

for (const { variable, meant } of unknownVariables(process.env)) {
  // The tests' own variables are not for the program.
  if (variable.startsWith('SETTLED_TEST_')) continue;
  process.stderr.write(`${variable} is no setting of ours${meant ? `; is ${meant} meant?` : ''}\n`);
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
// After it has lost its server and found it again, the Cassandra driver leaves sockets open that no shutdown closes. A
// command that is done ends all the same.
setTimeout(() => process.exit(), END_MS_MAX).unref();

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
