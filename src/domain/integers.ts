/**
 * Exact 64-bit integers (I8). Money, ids, sequences and versions are `bigint` in code and decimal strings in
 * JSON; this file holds the bounds that every one of them keeps, and the one way to read a decimal string.
 */

/** The largest value of a signed 64-bit integer, 2⁶³ − 1: the upper bound of every amount, id and version. */
export const INT64_MAX = 9_223_372_036_854_775_807n;

/** The largest asset id: a signed 32-bit integer, since assets are Cassandra `int`s. */
export const ASSET_MAX = 2_147_483_647;

/** The latest time that an event may state, in ms since the epoch: the end of the year 9999. */
export const TIME_MS_MAX = 253_402_300_799_999;

const DECIMAL = /^(0|[1-9][0-9]{0,18})$/;

/** True if `value` lies in 0 … 2⁶³ − 1. */
export function isUint63(value: bigint): boolean {
  return value >= 0n && value <= INT64_MAX;
}

/**
 * Reads a canonical decimal string of 0 … 2⁶³ − 1.
 *
 * @throws RangeError naming `what` if the text is anything else (sign, leading zero, too large, not a number)
 */
export function parseUint63(text: string, what: string): bigint {
  if (DECIMAL.test(text)) {
    const value = BigInt(text);
    if (value <= INT64_MAX) return value;
  }
  throw new RangeError(`${what}: "${text}" is not a decimal integer of 0 to 2^63-1`);
}
