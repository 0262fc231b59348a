/**
 * `npm run sim -- [--seeds N] [--from S] [--jobs J] [--seed S] [--trace] [--json]`: runs seeds and says what struck and
 * what did not hold. Data to stdout, talk to stderr. Exit codes: 0 no violation, 1 a violation, 2 a faulty call.
 */
import './hooks.ts';

const { command } = await import('./command.ts');
await command(process.argv.slice(2));
