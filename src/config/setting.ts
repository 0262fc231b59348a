/**
 * One setting: its environment variable, what it means, what it may be and its default, all of it on the zod schema
 * itself, so that the loader, the fault messages and the documentation read the same words. Each schema takes the
 * text of an environment variable, or the typed value that a command-line flag hands over.
 */
import { z } from 'zod';

/** What every setting's schema carries in its `meta()`. */
export interface SettingMeta {
  /** The environment variable, `SETTLED_…`. */
  readonly variable: string;
  /** What it decides, in a sentence or two. */
  readonly description: string;
  /** What values are allowed, to complete the sentence "must be …". */
  readonly allowed: string;
  /** The default as a person would write it, absent where there is none. */
  readonly defaultText?: string;
  /** Its value is never printed. */
  readonly secret?: boolean;
  /** It names a file, which must be readable when the configuration is loaded. */
  readonly file?: boolean;
}

/** The parts of a setting's meta that differ from one to the next. */
type About = Omit<SettingMeta, 'allowed' | 'defaultText'>;

/** Parses raw text or a typed value; `undefined` stands for "not allowed". */
export type Parse<T> = (raw: unknown) => T | undefined;

/** A schema that takes text or a value, and faults with what is allowed. */
const parsed = <T>(allowed: string, parse: Parse<T>) =>
  z.any().transform((raw: unknown, context): T => {
    const value = parse(raw);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `must be ${allowed}` });
    return z.NEVER;
  });

/** A setting that may be left out, and then is `undefined`. */
export function optionalSetting<T>(about: About, allowed: string, parse: Parse<T>) {
  return parsed(allowed, parse)
    .optional()
    .meta({ ...about, allowed } satisfies SettingMeta);
}

/** A setting with a default. */
export function setting<T>(
  about: About,
  allowed: string,
  parse: Parse<T>,
  fallback: T,
  defaultText = String(fallback),
) {
  return parsed(allowed, parse)
    .default(() => fallback as never)
    .meta({ ...about, allowed, defaultText } satisfies SettingMeta);
}
