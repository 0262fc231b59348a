/** Where the bundled simulation begins (bundle.ts). */
import { command } from './command.ts';

await command(process.argv.slice(2));
