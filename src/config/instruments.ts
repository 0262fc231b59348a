/**
 * The instruments whose trades are in another unit than their quote asset's smallest: price × quantity is divided by
 * the instrument's divisor, exactly or not at all. Read from JSON text; divisors are exact integers (I8).
 */

/** One pair of assets and what its price × quantity is divided by. */
export interface Instrument {
  readonly baseAsset: number;
  readonly quoteAsset: number;
  readonly divisor: bigint;
}

/** What the list may be, in words. */
export const INSTRUMENTS_ALLOWED =
  'a JSON list like [{"baseAsset": 1001, "quoteAsset": 1, "divisor": "100000000"}], each pair once, ' +
  'assets from 0 to 2147483647, divisors from 1 to 9223372036854775807 as text (or as a number up to 2^53 − 1)';

const DIVISOR_MAX = 2n ** 63n - 1n;

const isAsset = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 2 ** 31 - 1;

function divisorOf(value: unknown): bigint | undefined {
  const exact =
    typeof value === 'bigint' ||
    (typeof value === 'number' && Number.isSafeInteger(value)) ||
    (typeof value === 'string' && /^\d{1,19}$/.test(value));
  if (!exact) return undefined;
  const divisor = BigInt(value);
  return divisor >= 1n && divisor <= DIVISOR_MAX ? divisor : undefined;
}

/** The instruments that a JSON text or a list states, or `undefined` where any of it is wrong. */
export function parseInstruments(raw: unknown): readonly Instrument[] | undefined {
  let list: unknown = raw;
  if (typeof raw === 'string') {
    try {
      list = JSON.parse(raw);
    } catch {
      return undefined;
    }
  }
  if (!Array.isArray(list)) return undefined;
  const instruments: Instrument[] = [];
  const pairs = new Set<string>();
  for (const item of list as unknown[]) {
    if (typeof item !== 'object' || item === null) return undefined;
    const { baseAsset, quoteAsset, divisor: rawDivisor, ...rest } = item as Record<string, unknown>;
    const divisor = divisorOf(rawDivisor);
    if (!isAsset(baseAsset) || !isAsset(quoteAsset) || divisor === undefined) return undefined;
    if (Object.keys(rest).length > 0 || pairs.has(`${baseAsset}/${quoteAsset}`)) return undefined;
    pairs.add(`${baseAsset}/${quoteAsset}`);
    instruments.push({ baseAsset, quoteAsset, divisor });
  }
  return instruments;
}
