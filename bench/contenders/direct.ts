/**
 * Contenders that are not the product, each a part of the benchmark in a process of its own that measures itself:
 * the classic loop, the settler alone, a workflow per trade, and the write ceiling.
 */
import { connect } from '../../src/ledger/connection.ts';
import { ledgerOptions } from '../../src/cli/ledger-options.ts';
import type { Calibration, Contender, ContenderName, Verification } from '../contender.ts';
import type { Place, Places } from '../place.ts';
import type { Children, Part } from '../process/children.ts';
import type { Pids } from '../process/usage.ts';
import type { Market, MarketOptions } from '../stream/market.ts';
import { mean, significant } from '../statistics.ts';
import type { Segment } from '../stream/segment.ts';
import { verifyByAudit, verifyByCount } from '../verify.ts';

/** How such a contender runs and is verified. */
export interface DirectKind {
  readonly name: ContenderName;
  /** Its program, below bench. */
  readonly program: string;
  readonly firstTrades: number;
  readonly verified: 'audit' | 'trades' | 'trades-and-entries';
  /** Name of its place. @default its own */
  readonly place?: string;
  readonly execArgv?: readonly string[];
}

/** A contender that settles what it is handed in a file. */
export class DirectContender implements Contender {
  readonly name: ContenderName;
  readonly firstTrades: number;
  readonly market: MarketOptions;
  readonly #kind: DirectKind;
  readonly #children: Children;
  readonly #places: Places;
  #place: Place | undefined;
  #part: Part | undefined;

  constructor(kind: DirectKind, market: MarketOptions, children: Children, places: Places) {
    this.name = kind.name;
    this.firstTrades = kind.firstTrades;
    this.market = market;
    this.#kind = kind;
    this.#children = children;
    this.#places = places;
  }

  async start(): Promise<void> {
    const { program, execArgv, place = this.name.toLowerCase() } = this.#kind;
    this.#place ??= await this.#places.make(place);
    this.#part = await this.#children.part(program, this.#place.env, place, execArgv);
  }

  pids(): Pids {
    return { [this.name]: this.part.pid };
  }

  async fund({ path }: Segment): Promise<void> {
    await this.part.ask('fund', { path });
  }

  async prepare({ path }: Segment): Promise<void> {
    await this.part.ask('prepare', { path });
  }

  async settle(): Promise<number> {
    return this.part.ask<number>('settle');
  }

  async finish(): Promise<undefined> {
    await this.part.ask('finish');
    return undefined;
  }

  async stop(): Promise<void> {
    const part = this.#part;
    this.#part = undefined;
    await part?.stop();
  }

  async verify(market: Market, folder: string): Promise<Verification> {
    if (!this.#place) throw new Error(`${this.name} never ran`);
    const { verified } = this.#kind;
    if (verified === 'audit') return verifyByAudit(this.#children, this.#place, market, folder);
    const client = await connect(ledgerOptions(this.#place.config));
    try {
      return await verifyByCount(client, market, { entries: verified === 'trades-and-entries' });
    } finally {
      await client.shutdown();
    }
  }

  protected get part(): Part {
    if (!this.#part) throw new Error(`${this.name} does not run`);
    return this.#part;
  }
}

/** Settings by name, and the values that are tried for each; the first ones are where it begins. */
export type Sweep = Readonly<Record<string, readonly [number, ...number[]]>>;

/** One value of each. */
type Settings = Readonly<Record<string, number>>;

/** Settings, and how fast they were each time. */
interface Try {
  readonly settings: Settings;
  readonly rates: number[];
}

const TRIED_AGAIN = 3;

/** The fastest first. */
function ranked(tried: ReadonlyMap<string, Try>): Try[] {
  return [...tried.values()].sort((a, b) => mean(b.rates) - mean(a.rates));
}

/** A contender that finds its best settings before its first measured segment: one setting after the other. */
export class SweptContender extends DirectContender {
  readonly #sweep: Sweep;
  readonly #trades: number;
  #settings: Settings;
  #calibration: Calibration | undefined;

  /** @param trades trades of one try */
  constructor(
    kind: DirectKind,
    market: MarketOptions,
    children: Children,
    places: Places,
    sweep: Sweep,
    trades: number,
  ) {
    super(kind, market, children, places);
    this.#sweep = sweep;
    this.#trades = trades;
    this.#settings = Object.fromEntries(Object.entries(sweep).map(([key, [first]]) => [key, first]));
  }

  get calibration(): Calibration | undefined {
    return this.#calibration;
  }

  async calibrate(next: (trades: number) => Segment): Promise<void> {
    const tried = new Map<string, Try>();
    const rate = async (settings: Settings): Promise<number> => {
      const key = JSON.stringify(settings);
      return mean((tried.get(key) ?? (await this.#again(next, tried, settings))).rates);
    };
    // The first run is slow whatever its settings: code is compiled meanwhile.
    await this.#try(next(this.#trades), this.#settings);
    for (const [key, values] of Object.entries(this.#sweep)) {
      let best = { settings: this.#settings, rate: await rate(this.#settings) };
      for (const value of values) {
        const settings = { ...this.#settings, [key]: value };
        const reached = await rate(settings);
        if (reached > best.rate) best = { settings, rate: reached };
      }
      this.#settings = best.settings;
    }
    // One run may be lucky: the best are tried once more.
    for (const { settings } of ranked(tried).slice(0, TRIED_AGAIN)) await this.#again(next, tried, settings);
    const again = ranked(tried).filter(({ rates }) => rates.length > 1);
    this.#settings = again[0]?.settings ?? this.#settings;
    this.#calibration = {
      tried: ranked(tried).map(({ settings, rates }) => ({
        ...settings,
        tradesPerSecond: significant(mean(rates)),
      })),
      best: this.#settings,
    };
  }

  async #again(next: (trades: number) => Segment, tried: Map<string, Try>, settings: Settings): Promise<Try> {
    const key = JSON.stringify(settings);
    const one: Try = tried.get(key) ?? { settings, rates: [] };
    tried.set(key, one);
    one.rates.push(this.#trades / (await this.#try(next(this.#trades), settings)));
    return one;
  }

  override async prepare(segment: Segment): Promise<void> {
    await this.#prepare(segment, this.#settings);
  }

  async #prepare({ path }: Segment, settings: Settings): Promise<void> {
    await this.part.ask('prepare', { path, settings });
  }

  async #try(segment: Segment, settings: Settings): Promise<number> {
    await this.#prepare(segment, settings);
    return this.settle();
  }
}
