/**
 * What a simulation is asked for, with its defaults, and the markets it trades in. Bad values stop the start with every
 * fault listed.
 */

import { INTEGER_MAX } from './accounts.ts';

/** `three-traders`: a small story of three users and two markets. `random`: any number of both users and trades. */
export type Scenario = 'three-traders' | 'random';

export const SCENARIOS: readonly Scenario[] = ['three-traders', 'random'];

/** An instrument. Prices stay within 20 ticks of `priceMid`. */
export interface Market {
  readonly baseAsset: number;
  readonly quoteAsset: number;
  /** Quote units for one base unit. */
  readonly priceMid: bigint;
  readonly tick: bigint;
  /** Quantities are multiples of it. */
  readonly lot: bigint;
  /** About what an ordinary order asks for, in base units. */
  readonly quantityTypical: bigint;
  /** How often its turn comes, relative to the other markets. */
  readonly weight: number;
  /** True where one unit is worth more than small users own. */
  readonly largeUsersOnly: boolean;
}

/** The two markets of the three traders: BTC (1) and ETH (3), both in USDT (2). */
export const STORY_MARKETS: readonly Market[] = [
  market(1, { priceMid: 9_000_000n, tick: 500n, lot: 100n, quantityTypical: 100_000n, weight: 20 }),
  market(3, { priceMid: 300_000n, tick: 25n, lot: 10n, quantityTypical: 1_500_000n, weight: 8 }),
];

/** With two more: quantities beyond 2⁵³ at a tiny price (5), and prices beyond 2⁵³ for a few units (4). */
export const RANDOM_MARKETS: readonly Market[] = [
  ...STORY_MARKETS,
  market(5, { priceMid: 31n, tick: 1n, lot: 1000n, quantityTypical: 20_000_000_000n, weight: 3 }),
  market(4, {
    priceMid: 36_028_797_018_963_969n,
    tick: 1_234_567_890_123n,
    lot: 1n,
    quantityTypical: 4n,
    weight: 1,
    largeUsersOnly: true,
  }),
];

/** What the caller may say. */
export interface SimulationOptions {
  /** A safe integer ≥ 0. @default 1 */
  readonly seed?: number;
  /** Exactly so many trades. @default 136 for three-traders, 1000 for random */
  readonly trades?: number;
  /** @default 3 for three-traders, 100 for random */
  readonly users?: number;
  /** @default three-traders */
  readonly scenario?: Scenario;
  readonly markets?: readonly Market[];
  /** Users are numbered from here on. Without it, random spreads their ids over 1 … 2⁶³ − 1. @default 1001 for three-traders */
  readonly firstUser?: bigint;
  /** One market maker takes part in every trade: the hardest case for parallel settlement. @default false */
  readonly hot?: boolean;
  /** Users are drawn by Zipf's law, with five market makers quoting. @default false */
  readonly zipf?: boolean;
}

/** The options with nothing left open. */
export interface Simulated {
  readonly seed: number;
  readonly trades: number;
  readonly users: number;
  readonly scenario: Scenario;
  readonly markets: readonly Market[];
  readonly firstUser: bigint | undefined;
  readonly hot: boolean;
  readonly zipf: boolean;
  /** False where all funding is to happen before the first order, as three-traders promises. */
  readonly laterDeposits: boolean;
}

/** A simulation was asked for what cannot be. Names every fault. */
export class SimulationOptionsError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`cannot simulate: ${faults.join('; ')}`);
    this.name = 'SimulationOptionsError';
    this.faults = faults;
  }
}

/** Fills in the defaults and checks the whole. Throws {@link SimulationOptionsError}. */
export function resolveOptions(options: SimulationOptions = {}): Simulated {
  const scenario = options.scenario ?? 'three-traders';
  const story = scenario === 'three-traders';
  const hot = options.hot ?? false;
  const zipf = options.zipf ?? false;
  const resolved: Simulated = {
    seed: options.seed ?? 1,
    trades: options.trades ?? (story ? 136 : 1000),
    users: options.users ?? (story ? 3 : 100),
    scenario,
    markets: options.markets ?? (story || hot || zipf ? STORY_MARKETS : RANDOM_MARKETS),
    firstUser: options.firstUser ?? (story ? 1001n : undefined),
    hot,
    zipf,
    laterDeposits: !story || (options.trades ?? 136) !== 136 || (options.users ?? 3) !== 3,
  };
  const faults = faultsOf(resolved);
  if (faults.length > 0) throw new SimulationOptionsError(faults);
  return resolved;
}

function faultsOf(options: Simulated): string[] {
  const faults: string[] = [];
  const { seed, trades, users, scenario, markets, firstUser } = options;
  if (!SCENARIOS.includes(scenario)) faults.push(`there is no scenario ${scenario}`);
  if (!Number.isSafeInteger(seed) || seed < 0) faults.push(`seed ${seed} is not a safe integer of 0 or more`);
  if (!Number.isSafeInteger(trades) || trades < 0) faults.push(`trades ${trades} is not a count`);
  if (!Number.isInteger(users) || users < 1 || users > 1_000_000)
    faults.push(`users ${users} is not in 1 … 1 000 000`);
  else if (firstUser !== undefined && (firstUser < 0n || firstUser + BigInt(users) - 1n > INTEGER_MAX))
    faults.push(`ids from ${firstUser} on do not fit 63 bits`);
  if (options.hot && options.zipf) faults.push('hot and zipf exclude each other');
  if (!markets.some((each) => !each.largeUsersOnly)) faults.push('no market for every user');
  const pairs = new Set<string>();
  for (const each of markets) {
    const name = `market (${each.baseAsset}, ${each.quoteAsset})`;
    if (each.baseAsset === each.quoteAsset || pairs.has(name))
      faults.push(`${name} is no market, or there twice`);
    if (each.tick < 1n || each.priceMid <= 20n * each.tick) faults.push(`${name}: prices could fall to zero`);
    if (each.lot < 1n || each.quantityTypical < each.lot) faults.push(`${name}: bad lot or quantity`);
    pairs.add(name);
  }
  return faults;
}

function market(
  baseAsset: number,
  rest: Omit<Market, 'baseAsset' | 'quoteAsset' | 'largeUsersOnly'> & Partial<Market>,
): Market {
  return { largeUsersOnly: false, ...rest, baseAsset, quoteAsset: 2 };
}
