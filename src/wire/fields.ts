/**
 * Reading one field of a message: there, a plain integer, within its range. A field that is not gives a fault and
 * the value `INVALID`, so that the fields after it are still looked at and all faults of a message are told at once.
 */
import { ASSET_MAX, INT64_MAX, TIME_MS_MAX } from '../domain/integers.ts';
import { describeValue, OddNumber, type Body } from './body.ts';
import type { Fault } from './reasons.ts';

/** Stands for a field whose fault has been listed. No valid field is negative. */
export const INVALID = -1n;

/** What an integer field may be. */
export interface Range {
  readonly min: bigint;
  readonly max: bigint;
  /** The upper bound in words, for people. */
  readonly maxWord: string;
}

/** Ids, versions, refunds, match numbers: 0 … 2⁶³ − 1. */
export const ANY: Range = { min: 0n, max: INT64_MAX, maxWord: '2^63-1' };

/** Prices, quantities and amounts: 1 … 2⁶³ − 1; 0 has a reason of its own, `not-positive`. */
export const POSITIVE: Range = { ...ANY, min: 1n };

/** Numbers in a stream: 1 … 2⁶³ − 1. */
export const FROM_ONE: Range = { ...ANY, min: 1n };

/** Asset ids: 0 … 2³¹ − 1. */
export const ASSET: Range = { min: 0n, max: BigInt(ASSET_MAX), maxWord: '2^31-1' };

/** Times in ms since the epoch, to the end of the year 9999; 0 where the engine states none. */
export const TIME: Range = {
  min: 0n,
  max: BigInt(TIME_MS_MAX),
  maxWord: `${TIME_MS_MAX}, the end of the year 9999`,
};

/**
 * Reads an integer field.
 *
 * @returns its value within `range`, or {@link INVALID} after adding a fault (a duplicate has its fault already)
 */
export function integerField(body: Body, name: string, range: Range, faults: Fault[]): bigint {
  const value = body.fields[name];
  // The body holds no bigint outside 0 … 2⁶³ − 1, so most fields need no comparison at all.
  if (typeof value === 'bigint' && (range === ANY || isWithin(value, range))) return value;
  if (!body.duplicates.has(name)) faults.push(integerFault(name, value, range));
  return INVALID;
}

function isWithin(value: bigint, range: Range): boolean {
  return value >= range.min && value <= range.max;
}

function integerFault(name: string, value: unknown, range: Range): Fault {
  if (value === undefined) return { reason: 'missing-field', text: `${name} is missing` };
  const is = `${name} is ${describeValue(value)}`;
  if (typeof value === 'bigint' || (value instanceof OddNumber && /^(-[1-9])?[0-9]*$/.test(value.text))) {
    if (value === 0n && range === POSITIVE) return { reason: 'not-positive', text: `${name} is 0` };
    const tooSmall = typeof value === 'bigint' ? value < range.min : value.text.startsWith('-');
    const bound = tooSmall ? `below ${range.min}` : `above ${range.maxWord}`;
    return { reason: 'out-of-range', text: `${is}, ${bound}` };
  }
  return { reason: 'wrong-type', text: `${is}, not a plain integer` };
}
