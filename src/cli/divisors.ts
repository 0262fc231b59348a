/** The divisors of price × quantity out of the configuration. */
import type { Config } from '../config/index.ts';

/** By base and quote asset; 1 where nothing is configured. */
export function divisors({ stream }: Config): (base: number, quote: number) => bigint {
  const known = new Map(stream.instruments.map((one) => [`${one.baseAsset}/${one.quoteAsset}`, one.divisor]));
  return (base, quote) => known.get(`${base}/${quote}`) ?? 1n;
}
