/**
 * The kinds of setting that come up again and again, each with the words for what it may be.
 */
import { optionalSetting, setting } from './setting.ts';
import { bytes, integer, text } from './values.ts';

/** Bytes in a KiB. */
export const KIB = 1024;

/** The words for an integer's range. */
const wholeNumber = (min: number, max: number): string => `a whole number from ${min} to ${max}`;

/** The words for a range of bytes. */
const byteCount = (min: number, max: number): string =>
  `a number of bytes from ${min} to ${max} (the suffixes KiB and MiB are understood)`;

/** An optional path of a file that must be readable. */
export const filePath = (variable: string, description: string) =>
  optionalSetting({ variable, description, file: true }, 'the path of a readable file', text());

/** An optional path that `settled` itself makes or looks for. */
export const path = (variable: string, description: string) =>
  optionalSetting({ variable, description }, 'a path', text());

/** A whole number with a default. */
export const count = (variable: string, description: string, min: number, max: number, fallback: number) =>
  setting({ variable, description }, wholeNumber(min, max), integer(min, max), fallback);

/** A number of bytes with a default. */
export const size = (variable: string, description: string, min: number, max: number, fallback: number) =>
  setting({ variable, description }, byteCount(min, max), bytes(min, max), fallback, `${fallback / KIB} KiB`);

/** An optional port. */
export const optionalPort = (variable: string, description: string) =>
  optionalSetting({ variable, description }, wholeNumber(1, 65535), integer(1, 65535));

/** The port of a server that the stack starts. */
export const stackPort = (variable: string, what: string, fallback: number) =>
  count(variable, `Port of ${what} that \`settled up\` starts, on 127.0.0.1.`, 1, 65535, fallback);
