/**
 * What is wrong with a configuration: all of it at once, each fault with its variable, the value found and what is
 * allowed. Values of secrets are never shown.
 */

/** One wrong setting. */
export interface ConfigFault {
  readonly variable: string;
  /** What was found, as text; absent for secrets and for what is missing. */
  readonly value?: string;
  /** The rest of the sentence, for example "must be a whole number from 1 to 1024". */
  readonly problem: string;
}

const line = ({ variable, value, problem }: ConfigFault): string =>
  value === undefined ? `  ${variable} ${problem}` : `  ${variable}=${JSON.stringify(value)} ${problem}`;

/** The configuration can't be used. Its message lists every fault, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    super(
      `${faults.length === 1 ? 'A setting is' : `${faults.length} settings are`} wrong:\n${faults.map(line).join('\n')}`,
    );
    this.faults = faults;
  }
}
