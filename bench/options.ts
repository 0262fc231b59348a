/**
 * What can be told to the benchmark, and the sizes that follow: a full run, or a quick one.
 */
import { CONTENDERS, type ContenderName } from './contender.ts';

/** The command line's flags. */
export interface Flags {
  readonly quick?: true;
  readonly json?: true;
  readonly rounds?: number;
  readonly soak?: number;
  readonly only?: readonly Share[];
  readonly out?: string;
  readonly seconds?: number;
  readonly users: number;
  readonly manyUsers: number;
  readonly serverWarm?: number;
  readonly cpuProf?: string;
}

/** What can be chosen: a contender, or the latency. */
export type Share = ContenderName | 'latency';

/** Letters that stand for contenders, as the table of the benchmark names them. */
const LETTERS: Readonly<Record<string, readonly Share[]>> = {
  a: ['classicLoop'],
  b: ['workflowPerTrade'],
  c: ['writeCeiling'],
  d: ['settler'],
  e: ['product', 'productManyUsers'],
  f: ['productSkewed', 'productHot'],
  g: ['latency'],
};

/** A quick run leaves out the settler alone and the latency. */
const QUICK = ['a', 'b', 'c', 'e', 'f'];

const TRADES_MIN = 20;
/** The product is under full load only while an ingest has as much in flight as it may, which is 10 000. */
const FULL_LOAD_TRADES_MIN = { full: 20_000, quick: 12_000 };
/** So few workflows are under way for some seconds. */
const WORKFLOWS_MIN = { full: 300, quick: 150 };

/** A run, decided. */
export interface Plan {
  readonly mode: 'full' | 'quick';
  readonly shares: readonly Share[];
  readonly rounds: number;
  readonly users: number;
  readonly manyUsers: number;
  /** Length of warm-ups and measured segments. */
  warmSeconds(name: ContenderName): number;
  measuredSeconds(name: ContenderName): number;
  /** Trades of a measured segment at least. */
  tradesMin(name: ContenderName): number;
  /** Lone trades, and lone Updates; length of each part under load. */
  readonly latencySamples: number;
  readonly loadSeconds: number;
  /** How long the servers run before the first round. */
  readonly serverWarmSeconds: number;
  /** Trades of one run of the ceiling's sweep, and of that of the workflows. */
  readonly sweepTrades: number;
  readonly workflowSweepTrades: number;
}

/** Reads "a,c,product": letters and names. Undefined if one is unknown. */
export function parseShares(text: string): readonly Share[] | undefined {
  const shares: Share[] = [];
  for (const word of text.split(',').map((one) => one.trim())) {
    const found = LETTERS[word] ?? [...CONTENDERS, 'latency' as const].filter((name) => name === word);
    if (found.length === 0) return undefined;
    shares.push(...found);
  }
  return shares;
}

/** Decides what flags leave open. */
export function planOf(flags: Flags): Plan {
  const quick = flags.quick === true;
  const mode = quick ? 'quick' : 'full';
  const letters = quick ? QUICK : Object.keys(LETTERS);
  const { seconds } = flags;
  const isProduct = (name: ContenderName): boolean => name.startsWith('product');
  return {
    mode,
    shares: flags.only ?? letters.flatMap((letter) => LETTERS[letter] ?? []),
    rounds: flags.rounds ?? (quick ? 2 : 5),
    users: flags.users,
    manyUsers: flags.manyUsers,
    warmSeconds: () => (seconds === undefined ? (quick ? 1.5 : 3) : seconds / 3),
    measuredSeconds: (name) => seconds ?? (quick ? (isProduct(name) ? 4 : 3) : isProduct(name) ? 8 : 5),
    tradesMin: (name) => {
      if (seconds !== undefined) return TRADES_MIN;
      if (isProduct(name)) return FULL_LOAD_TRADES_MIN[mode];
      return name === 'workflowPerTrade' ? WORKFLOWS_MIN[mode] : TRADES_MIN;
    },
    latencySamples: seconds === undefined ? (quick ? 200 : 300) : Math.ceil(seconds * 50),
    loadSeconds: seconds ?? (quick ? 10 : 20),
    serverWarmSeconds: flags.serverWarm ?? (seconds === undefined ? (quick ? 6 : 20) : 2 * seconds),
    sweepTrades: seconds === undefined ? (quick ? 6_000 : 20_000) : Math.ceil(seconds * 2_500),
    workflowSweepTrades: seconds === undefined ? (quick ? 80 : 200) : Math.ceil(seconds * 20),
  };
}
