/**
 * A value that must never be printed. However it is turned into text, by a template, JSON, `console.log` or a logger,
 * it says `[redacted]`; only `reveal()` gives the value, and its callers can be searched for.
 */

/** What every secret looks like from outside. */
export const REDACTED = '[redacted]';

/** A password or key, wrapped so that it can't be printed by accident. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The secret itself, for the one place that sends it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return REDACTED;
  }
}
