/** `settled settings`: every setting with its value here, its default, what it may be and what it decides. */
import type { Command } from 'commander';
import { describeConfig, loadConfig, REDACTED } from '../../config/index.ts';

/** A setting as a person or a program reads it; `value` is empty where there is none, and never a secret. */
interface Shown {
  readonly variable: string;
  readonly value: string;
  readonly default: string | null;
  readonly allowed: string;
  readonly description: string;
}

function shown(): Shown[] {
  return describeConfig(loadConfig(process.env)).map((setting) => {
    const { variable, defaultText, allowed, description, secret } = setting;
    const given = process.env[variable];
    const value = given || setting.value || (defaultText ?? '');
    // One that is not given may have come out of a file: that is another setting's value.
    const open = given ? REDACTED : '';
    return { variable, value: secret ? open : value, default: defaultText ?? null, allowed, description };
  });
}

function lines({ variable, value, default: byDefault, allowed, description }: Shown): string[] {
  const origin = byDefault === null || value === byDefault ? '' : `   (default ${byDefault})`;
  return [`${variable}=${value}${origin}`, `    ${description}`, `    Allowed: ${allowed}.`];
}

/** Adds the command. */
export function register(program: Command): void {
  program
    .command('settings')
    .description(
      'every setting: its value here, its default, what it may be (exit codes: 0 shown, 1 a value is not allowed)',
    )
    .option('--json', 'one JSON object')
    .action(({ json }: { readonly json?: boolean }) => {
      const all = shown();
      process.stdout.write(
        json ? `${JSON.stringify({ settings: all })}\n` : `${all.flatMap(lines).join('\n')}\n`,
      );
    });
}
