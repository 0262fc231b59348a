/**
 * `npm run sim -- [--seeds N] [--from S] [--jobs J] [--seed S] [--failures N] [--trace] [--json]`: runs seeds and says what struck and
 * what did not hold. Data to stdout, talk to stderr. Exit codes: 0 no violation, 1 a violation, 2 a faulty call.
 */
import { replacePackages } from './hooks.ts';

replacePackages();

const { command } = await import('./command.ts');
await command(process.argv.slice(2));
