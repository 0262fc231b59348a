/**
 * A small process that outlives the one that started an attached stack, for the sole purpose of stopping that stack.
 * It holds the reading end of a pipe: when the starter ends, however it ends, the pipe does too. A starter that has
 * stopped its stack itself says so first.
 *
 * Run as: node --import tsx watchdog.ts HOME keep|wipe|remove
 */
import { rmSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { stopStack } from './stop.ts';
import { WATCHDOG_DISMISSED } from './watching.ts';

const [home, ending] = process.argv.slice(2);
if (home === undefined) throw new Error('watchdog needs a home');
const said = await text(process.stdin);
if (!said.includes(WATCHDOG_DISMISSED)) {
  await stopStack(home, { wipe: ending !== 'keep' });
  if (ending === 'remove') rmSync(home, { recursive: true, force: true });
}
