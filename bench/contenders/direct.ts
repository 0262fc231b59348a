/**
 * Contenders that need nothing but Cassandra, each a part of the benchmark in a process of its own that measures itself:
 * the classic loop, the settler alone, and the write ceiling with its sweep.
 */
import { connect } from '../../src/ledger/connection.ts';
import { ledgerOptions } from '../../src/cli/ledger-options.ts';
import type { Calibration, Contender, ContenderName, Verification } from '../contender.ts';
import { makePlace, type Place } from '../place.ts';
import type { Children, Part } from '../process/children.ts';
import type { CeilingSettings } from '../process/write-ceiling.ts';
import type { Pids } from '../process/usage.ts';
import type { Market, MarketOptions } from '../stream/market.ts';
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

/** A contender without ZeroMQ and Temporal. */
export class DirectContender implements Contender {
  readonly name: ContenderName;
  readonly firstTrades: number;
  readonly market: MarketOptions;
  readonly #kind: DirectKind;
  readonly #children: Children;
  readonly #home: string;
  #place: Place | undefined;
  #part: Part | undefined;

  constructor(kind: DirectKind, market: MarketOptions, children: Children, home: string) {
    this.name = kind.name;
    this.firstTrades = kind.firstTrades;
    this.market = market;
    this.#kind = kind;
    this.#children = children;
    this.#home = home;
  }

  async start(): Promise<void> {
    const { program, execArgv, place = this.name.toLowerCase() } = this.#kind;
    this.#place ??= await makePlace(this.#home, place);
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

/** What the sweep of the write ceiling tries, one setting after the other, the best of each kept for the next. */
const CEILING_SWEEP = {
  groupEvents: [10, 5, 20],
  inFlight: [32, 16, 64],
  windowEvents: [10_000, 2_500, 40_000],
} as const;

/** The write ceiling: it finds its best settings before the first measured segment. */
export class WriteCeiling extends DirectContender {
  readonly #sweepTrades: number;
  #settings: CeilingSettings = {
    groupEvents: CEILING_SWEEP.groupEvents[0],
    inFlight: CEILING_SWEEP.inFlight[0],
    windowEvents: CEILING_SWEEP.windowEvents[0],
  };
  #calibration: Calibration | undefined;

  constructor(
    kind: DirectKind,
    market: MarketOptions,
    children: Children,
    home: string,
    sweepTrades: number,
  ) {
    super(kind, market, children, home);
    this.#sweepTrades = sweepTrades;
  }

  get calibration(): Calibration | undefined {
    return this.#calibration;
  }

  async calibrate(next: (trades: number) => Segment): Promise<void> {
    const tried: (CeilingSettings & { tradesPerSecond: number })[] = [];
    const rate = async (settings: CeilingSettings): Promise<number> => {
      const before = tried.find((one) =>
        Object.entries(settings).every(([key, value]) => one[key as keyof CeilingSettings] === value),
      );
      if (before) return before.tradesPerSecond;
      const seconds = await this.#write(next(this.#sweepTrades), settings);
      const tradesPerSecond = Math.round(this.#sweepTrades / seconds);
      tried.push({ ...settings, tradesPerSecond });
      return tradesPerSecond;
    };
    // The first run is slow whatever its settings: code is compiled meanwhile.
    await this.#write(next(this.#sweepTrades), this.#settings);
    for (const key of Object.keys(CEILING_SWEEP) as (keyof CeilingSettings)[]) {
      let best = { value: this.#settings[key], rate: await rate(this.#settings) };
      for (const value of CEILING_SWEEP[key]) {
        const reached = await rate({ ...this.#settings, [key]: value });
        if (reached > best.rate) best = { value, rate: reached };
      }
      this.#settings = { ...this.#settings, [key]: best.value };
    }
    this.#calibration = { tried: tried.map((one) => ({ ...one })), best: { ...this.#settings } };
  }

  override async prepare(segment: Segment): Promise<void> {
    await this.#prepare(segment, this.#settings);
  }

  async #prepare({ path }: Segment, settings: CeilingSettings): Promise<void> {
    await this.part.ask('prepare', { path, settings });
  }

  async #write(segment: Segment, settings: CeilingSettings): Promise<number> {
    await this.#prepare(segment, settings);
    return this.settle();
  }
}
