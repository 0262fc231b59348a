/** `settled keygen`: a new pair of CURVE keys, for an ingest or an engine. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { newCurveKeys, writeCurveKeys } from '../../curve/index.ts';

interface Flags {
  readonly out: string;
  readonly name: string;
  readonly json?: boolean;
}

function keygen(flags: Flags): void {
  mkdirSync(flags.out, { recursive: true, mode: 0o700 });
  const keys = newCurveKeys();
  const { secretPath, publicPath } = writeCurveKeys(join(flags.out, flags.name), flags.name, keys);
  const { publicKey } = keys;
  process.stdout.write(
    flags.json
      ? `${JSON.stringify({ publicKey, secretPath, publicPath })}\n`
      : `${publicKey}\n  secret key ${secretPath} (mode 0600: keep it there)\n  public key ${publicPath} (give it to the other side)\n`,
  );
}

function keyName(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text))
    throw new InvalidArgumentError('Letters, digits, dots, dashes and underscores are needed, at most 64.');
  return text;
}

/** Adds the command. */
export function register(program: Command): void {
  program
    .command('keygen')
    .description(
      'make a pair of CURVE keys: NAME.key (secret) and NAME.pub (exit codes: 0 made, 1 not; overwrites nothing)',
    )
    .requiredOption('--out <folder>', 'where to write them (required); made if need be')
    .option('--name <name>', 'whose keys they are', keyName, 'ingest')
    .option('--json', 'print public key and paths as one JSON object')
    .action(keygen);
}
