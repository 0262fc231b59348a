/**
 * One setting: its environment variable, what it means, what it may be and its default, all of it on the zod schema
 * itself, so that the loader, the fault messages and the documentation read the same words. Each schema takes the
 * text of an environment variable, or the typed value that a command-line flag hands over.
 */
import { z } from 'zod';
import { Secret } from './secret.ts';

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
type Parse<T> = (raw: unknown) => T | undefined;

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

/** Text that matches a pattern; by default any text without line breaks. */
export const text =
  (pattern = /^[^\r\n]+$/): Parse<string> =>
  (raw) =>
    typeof raw === 'string' && pattern.test(raw) ? raw : undefined;

/** One of the given words. */
export const oneOf =
  <const T extends string>(...words: readonly T[]): Parse<T> =>
  (raw) =>
    words.find((word) => word === raw);

/** A whole number from `min` to `max`, both included. */
export const integer =
  (min: number, max: number): Parse<number> =>
  (raw) => {
    const value = typeof raw === 'string' && /^-?\d{1,15}$/.test(raw.trim()) ? Number(raw) : raw;
    return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? value
      : undefined;
  };

/** A number of bytes, plain or with the suffix KiB or MiB. */
export const bytes =
  (min: number, max: number): Parse<number> =>
  (raw) => {
    const match = typeof raw === 'string' ? /^(\d{1,12}) ?(KiB|MiB)?$/.exec(raw.trim()) : null;
    const unit = match?.[2] === 'KiB' ? 1024 : match?.[2] === 'MiB' ? 1024 * 1024 : 1;
    return integer(min, max)(match ? Number(match[1]) * unit : raw);
  };

/** A yes or no. */
export const flag: Parse<boolean> = (raw) => {
  if (raw === true || raw === 'true' || raw === '1' || raw === 'yes') return true;
  if (raw === false || raw === 'false' || raw === '0' || raw === 'no') return false;
  return undefined;
};

/** Text whose value is never printed. */
export const secret: Parse<Secret> = (raw) =>
  raw instanceof Secret ? raw : typeof raw === 'string' ? new Secret(raw) : undefined;

/** A port number of TCP. */
export const port = integer(1, 65535);

/** The words for an integer's range. */
export const wholeNumber = (min: number, max: number): string => `a whole number from ${min} to ${max}`;

/** The words for a range of bytes. */
export const byteCount = (min: number, max: number): string =>
  `a number of bytes from ${min} to ${max} (the suffixes KiB and MiB are understood)`;
