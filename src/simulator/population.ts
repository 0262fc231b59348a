/**
 * Who trades: the users' ids, which of them are large, and what each is given at the start. Small users hold human
 * amounts; of every asset one large user (its whale) holds most of the 2⁶³ − 1 units that there may be, so that sums of
 * 63 bits meet small ones in the same stream.
 */

import { Accounts, INTEGER_MAX } from './accounts.ts';
import type { Market, Simulated } from './options.ts';
import type { Random } from './random.ts';

const LARGE_USERS_MAX = 8;
/** Market makers of a zipf simulation. */
const MARKET_MAKERS = 5;
/** Of an asset's units the whale and the other large users get these shares; a sixteenth is for small users, the rest for later deposits. */
const SIXTEENTH = INTEGER_MAX / 16n;
const WHALE_SIXTEENTHS = 9n;
const OTHER_LARGE_SIXTEENTHS = 4n;

/** Users by index, with the accounts that they hold. */
export interface Population {
  readonly accounts: Accounts;
  /** Indices of the users who hold sums near 63 bits. */
  readonly large: readonly number[];
  /** Indices of the market makers; empty where anyone quotes. */
  readonly makers: readonly number[];
}

/** A deposit of the start, by indices. */
export interface Funding {
  readonly user: number;
  readonly asset: number;
  readonly amount: bigint;
}

/** Settles ids and roles. */
export function populate(options: Simulated, random: Random): Population {
  const { users, markets } = options;
  const ids =
    options.firstUser === undefined
      ? spreadIds(users, random)
      : Array.from({ length: users }, (_, i) => options.firstUser! + BigInt(i));
  const assets = [...new Set(markets.flatMap((market) => [market.baseAsset, market.quoteAsset]))].sort(
    (a, b) => a - b,
  );
  const accounts = new Accounts(ids, assets);
  const makers = options.hot ? [0] : options.zipf ? range(Math.min(MARKET_MAKERS, users)) : [];
  return { accounts, makers, large: makers.length > 0 ? makers : largeUsers(users) };
}

/** What everyone is given before the first order, user by user. */
export function* fundings(
  options: Simulated,
  population: Population,
  random: Random,
): Generator<Funding, void, void> {
  const { accounts, large } = population;
  const small = accounts.assets.map((asset) => smallFundMax(asset, options));
  const isLarge = new Set(large);
  const whales = accounts.assets.map((_, asset) => large[asset % large.length]!);
  for (let user = 0; user < accounts.userIds.length; user++) {
    for (let asset = 0; asset < accounts.assets.length; asset++) {
      const forLargeOnly = largeUsersOnly(accounts.assets[asset]!, options.markets);
      if (forLargeOnly) {
        // All there is: one balance of exactly 2⁶³ − 1.
        if (user === whales[asset]) yield { user, asset, amount: INTEGER_MAX };
      } else if (isLarge.has(user)) {
        const share =
          user === whales[asset]
            ? SIXTEENTH * WHALE_SIXTEENTHS
            : (SIXTEENTH * OTHER_LARGE_SIXTEENTHS) / BigInt(large.length);
        yield { user, asset, amount: share - random.belowBig(share / 16n) };
      } else {
        yield { user, asset, amount: smallFund(small[asset]!, random) };
      }
    }
  }
}

/** A small user's deposit: of very different size from user to user, and never round. */
export function smallFund(max: bigint, random: Random): bigint {
  const upTo = max >> BigInt(random.below(4));
  return upTo / 2n + 1n + random.belowBig(upTo / 2n + 1n);
}

/** The most that a small user is given of an asset: hundreds of ordinary orders, as far as 63 bits go round. */
export function smallFundMax(asset: number, options: Simulated): bigint {
  let typical = 1n;
  for (const market of options.markets) {
    if (market.largeUsersOnly) continue;
    const amount =
      market.baseAsset === asset
        ? market.quantityTypical
        : market.quoteAsset === asset
          ? market.quantityTypical * market.priceMid
          : 0n;
    if (amount > typical) typical = amount;
  }
  const share = SIXTEENTH / BigInt(options.users);
  const wanted = typical * 1000n;
  return wanted < share ? wanted : share;
}

/** Strata of 1 … 2⁶³ − 1, one id in each; the last user is the last id there can be. */
function spreadIds(users: number, random: Random): bigint[] {
  const stratum = INTEGER_MAX / BigInt(users);
  return Array.from({ length: users }, (_, i) =>
    i === users - 1 ? INTEGER_MAX : BigInt(i) * stratum + 1n + random.belowBig(stratum),
  );
}

function largeUsers(users: number): number[] {
  const count = Math.min(LARGE_USERS_MAX, Math.max(Math.min(2, users), Math.ceil(users / 4)));
  const step = Math.floor(users / count);
  return range(count).map((i) => users - 1 - i * step);
}

function largeUsersOnly(asset: number, markets: readonly Market[]): boolean {
  return markets.every(
    (market) => market.largeUsersOnly || (market.baseAsset !== asset && market.quoteAsset !== asset),
  );
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
