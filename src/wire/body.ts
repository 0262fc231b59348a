/**
 * From the bytes of a second frame to one JSON object whose integers are exact (I8). Parsing is lossless-json's;
 * what it leaves open is decided here: bytes that are no UTF-8, nesting, duplicate keys, and numbers that are no
 * plain integers. Nothing here throws for any bytes, and time and stack are bounded by the message's size.
 */
import { isUtf8 } from 'node:buffer';
import { parse } from 'lossless-json';
import { INT64_MAX } from '../domain/integers.ts';
import { NESTING_MAX, outlineOf } from './outline.ts';
import { quoted, type Fault } from './reasons.ts';

/** A JSON number that is no integer of 0 … 2⁶³ − 1 in plain digits. Kept as its text, to be reported. */
export class OddNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** The message's object. Values are `bigint` for plain integers of 0 … 2⁶³ − 1, {@link OddNumber} for other numbers, else as JSON has it. */
export interface Body {
  readonly fields: Readonly<Record<string, unknown>>;
  /** How many keys the object writes, duplicates counted each time. */
  readonly keyCount: number;
  /** Keys that stand more than once. */
  readonly duplicates: ReadonlySet<string>;
}

const INT64_DIGITS = 19;
const DOUBLE_DIGITS = 15;
const NO_DUPLICATES: ReadonlySet<string> = new Set();

// The library calls this with the text of a valid JSON number; what is left to tell is a sign, a point, an exponent,
// or more than 63 bits. Up to 15 digits a double is exact, and quicker to turn into a bigint than text.
function parseNumber(text: string): bigint | OddNumber {
  let digits = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9 || i === INT64_DIGITS) return new OddNumber(text);
    digits = digits * 10 + digit;
  }
  if (text.length <= DOUBLE_DIGITS) return BigInt(digits);
  const value = BigInt(text);
  return value <= INT64_MAX ? value : new OddNumber(text);
}

// Called for a duplicate of another value. What it returns takes the place of both: something small, so that a
// message of many duplicates beside one large value is not compared with that large value again and again.
const PARSE_OPTIONS = { parseNumber, onDuplicateKey: () => 'duplicate' };

/**
 * Parses the second frame.
 *
 * @param known names that may all be there. Where the object has just as many keys as one of these lists, and each
 *   of that list, no key can stand twice, and nothing further is looked up
 * @param faults gets what is wrong; a body may be returned all the same (duplicates)
 * @returns undefined where there is no object to read
 */
export function readBody(
  data: Buffer,
  known: readonly (readonly string[])[],
  faults: Fault[],
): Body | undefined {
  if (!isUtf8(data)) {
    faults.push({ reason: 'invalid-utf8', text: 'the second frame is not UTF-8' });
    return undefined;
  }
  const text = data.toString('utf8');
  const outline = outlineOf(text);
  if (outline.depth > NESTING_MAX) {
    faults.push({ reason: 'too-deep', text: `nested ${outline.depth} deep, at most ${NESTING_MAX}` });
    return undefined;
  }
  let value: unknown;
  try {
    value = parse(text, null, PARSE_OPTIONS);
  } catch (error) {
    faults.push({
      reason: 'invalid-json',
      text: error instanceof Error ? error.message : 'cannot be parsed',
    });
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof OddNumber) {
    faults.push({ reason: 'not-an-object', text: `the message is ${describeValue(value)}, not an object` });
    return undefined;
  }
  const fields = value as Record<string, unknown>;
  const duplicates = duplicatesOf(text, fields, outline.keyCount, known);
  for (const key of duplicates) {
    faults.push({ reason: 'duplicate-key', text: `the key ${quoted(key)} stands more than once` });
  }
  return { fields, keyCount: outline.keyCount, duplicates };
}

function duplicatesOf(
  text: string,
  fields: Readonly<Record<string, unknown>>,
  keyCount: number,
  known: readonly (readonly string[])[],
): ReadonlySet<string> {
  for (const names of known) {
    if (names.length === keyCount && hasAll(fields, names)) return NO_DUPLICATES;
  }
  if (Object.keys(fields).length === keyCount) return NO_DUPLICATES;
  const keys: string[] = [];
  outlineOf(text, keys);
  const seen = new Set<string>();
  const duplicates = new Set<string>();
  for (const key of keys) {
    if (seen.has(key)) duplicates.add(key);
    seen.add(key);
  }
  return duplicates;
}

function hasAll(fields: Readonly<Record<string, unknown>>, names: readonly string[]): boolean {
  for (const name of names) if (fields[name] === undefined) return false;
  return true;
}

/** What a parsed value is, in words for a fault's line: "the string "5"", "the number 1.0", "null", "an array". */
export function describeValue(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return `the string ${quoted(value)}`;
  if (typeof value === 'bigint') return `the number ${value}`;
  if (value instanceof OddNumber)
    return `the number ${value.text.length > 40 ? `${value.text.slice(0, 39)}…` : value.text}`;
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'boolean' ? `${value}` : 'an object';
}
