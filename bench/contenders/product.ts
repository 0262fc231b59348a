/**
 * The whole product: `settled worker` and `settled ingest` as a user starts them, and a sender in the engine's place. A
 * segment is settled when the persisted watermark has reached its last sequence.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client as CassandraClient } from 'cassandra-driver';
import { ledgerOptions } from '../../src/cli/ledger-options.ts';
import { connect } from '../../src/ledger/connection.ts';
import { readWatermark } from '../../src/ledger/streams.ts';
import type { Contender, ContenderName, HistoryUse, Verification } from '../contender.ts';
import { HistoryMeter } from '../history.ts';
import type { Place, Places } from '../place.ts';
import { ChildFailedError, type Children, type Part } from '../process/children.ts';
import type { Pids } from '../process/usage.ts';
import type { Market, MarketOptions } from '../stream/market.ts';
import type { Segment } from '../stream/segment.ts';
import { verifyByAudit } from '../verify.ts';

/** How often the watermark is read: seldom at first, often when the end is near. */
const POLL_MS_EARLY = 100;
const POLL_MS = 20;
/** The end is near from this share of a segment on. */
const NEAR = 0.6;
/** A segment of fewer messages is soon over. */
const FEW_MESSAGES = 1_000;
/** A long stream may take long to send. */
const SEND_MS_MAX = 24 * 3_600_000;
/** Without any advance of the watermark for so long the run counts as stuck. */
const STUCK_MS_MAX = 60_000;

/** What the product's contenders share. */
export interface ProductOptions {
  readonly children: Children;
  readonly places: Places;
  /** Flags of Node for worker and ingest, to profile them. */
  readonly execArgv?: readonly string[];
}

/** A watermark that was seen, and when (performance.now()). */
export interface Reached {
  readonly atMs: number;
  readonly sequence: number;
}

/** The processes of one round. */
interface Running {
  readonly worker: Part;
  readonly sender: Part;
  readonly ingest: Part;
  readonly cassandra: CassandraClient;
}

/** The product over one kind of market. */
export class Product implements Contender {
  readonly firstTrades = 4_000;
  readonly name: ContenderName;
  readonly market: MarketOptions;
  readonly #options: ProductOptions;
  #place: Place | undefined;
  #running: Running | undefined;
  #history: HistoryMeter | undefined;

  constructor(name: ContenderName, market: MarketOptions, options: ProductOptions) {
    this.name = name;
    this.market = market;
    this.#options = options;
  }

  async place(): Promise<Place> {
    return (this.#place ??= await this.#options.places.make(this.name.toLowerCase()));
  }

  /** @param sender the program in the engine's place; it answers what {@link follow} asks */
  async start(sender = 'process/sender.ts'): Promise<void> {
    const { children, execArgv } = this.#options;
    const { env, config, name } = await this.place();
    const worker = children.command(['worker'], env, `${name}-worker`, execArgv);
    const [engine] = await Promise.all([
      children.part(sender, env, `${name}-sender`),
      worker.message('ready'),
    ]);
    const endpoint = await engine.ask<string>('endpoint');
    const ingest = children.command(['ingest', '--endpoint', endpoint], env, `${name}-ingest`, execArgv);
    await ingest.message('ready');
    const cassandra = await connect(ledgerOptions(config));
    this.#running = { worker, sender: engine, ingest, cassandra };
  }

  pids(): Pids {
    const { worker, ingest, sender } = this.#parts;
    return { worker: worker.pid, ingest: ingest.pid, sender: sender.pid };
  }

  async fund(segment: Segment): Promise<void> {
    await this.follow(segment);
  }

  async prepare(_segment: Segment, measured: boolean): Promise<void> {
    const { config } = await this.place();
    if (measured) this.#history = await HistoryMeter.start(config);
  }

  async settle(segment: Segment): Promise<number> {
    return (await this.follow(segment)).seconds;
  }

  async finish(): Promise<HistoryUse | undefined> {
    const history = this.#history;
    this.#history = undefined;
    return history?.end();
  }

  /** Sends a segment and follows the watermark to its end. */
  async follow(
    segment: Segment,
    options: {
      /** What the sender is asked. @default to send all of it at once */
      readonly op?: string;
      readonly argument?: object;
      readonly onReached?: (reached: Reached) => void;
    } = {},
  ): Promise<{ readonly seconds: number; readonly startedMs: number; readonly answer: unknown }> {
    const { op = 'send', argument = { path: segment.path }, onReached } = options;
    const { config } = await this.place();
    const { sender, cassandra } = this.#parts;
    const startedMs = performance.now();
    const sent = sender.ask<unknown>(op, argument, SEND_MS_MAX);
    let failure: unknown;
    sent.catch((error: unknown) => (failure = error));
    let seen = -1;
    let newsMs = startedMs;
    for (;;) {
      const isNear = seen >= segment.lastSequence - (1 - NEAR) * segment.messages;
      await sleep(isNear || segment.messages < FEW_MESSAGES ? POLL_MS : POLL_MS_EARLY);
      const sequence = Number(await readWatermark(cassandra, config.stream.name));
      const atMs = performance.now();
      if (sequence > seen) {
        seen = sequence;
        newsMs = atMs;
        onReached?.({ atMs, sequence });
      }
      if (sequence >= segment.lastSequence) {
        return { seconds: (atMs - startedMs) / 1000, startedMs, answer: await sent };
      }
      if (failure) throw failure;
      for (const part of [this.#parts.worker, this.#parts.ingest, sender]) part.requireRunning();
      if (atMs - newsMs > STUCK_MS_MAX)
        throw new ChildFailedError(
          `${this.name}: the watermark stands at ${sequence} of ${segment.lastSequence} for ${STUCK_MS_MAX / 1000} s`,
        );
    }
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await this.#history?.close();
    this.#history = undefined;
    if (!running) return;
    // The ingest first, so that nothing is in flight when the others end.
    await running.ingest.stop();
    await Promise.all([running.sender.stop(), running.worker.stop(), running.cassandra.shutdown()]);
  }

  async verify(market: Market, folder: string): Promise<Verification> {
    const place = await this.place();
    return verifyByAudit(this.#options.children, place, market, folder);
  }

  get #parts(): Running {
    if (!this.#running) throw new Error(`${this.name} does not run`);
    return this.#running;
  }
}
