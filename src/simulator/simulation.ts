/**
 * A whole simulated stream: the funding, then the users' doings, until exactly as many trades are made as were asked
 * for. The same options give the same messages, byte for byte; what they lead to can be read when the stream has ended.
 */

import type { Message } from '../wire/message.ts';
import { Engine } from './engine.ts';
import { oracleOf, type Oracle } from './oracle.ts';
import { resolveOptions, type Simulated, type SimulationOptions } from './options.ts';
import { fundings, populate, type Population } from './population.ts';
import { Random } from './random.ts';
import { Traders } from './traders.ts';

/** 2026-01-01T00:00:00Z. A stream begins up to a day later, by its seed. */
const EPOCH_MS = 1_767_225_600_000;
const DAY_SECONDS = 86_400;

/** One run of the simulated engine. Its events can be taken once. */
export class Simulation {
  readonly options: Simulated;
  readonly #random: Random;
  readonly #population: Population;
  readonly #engine: Engine;

  /** Throws SimulationOptionsError where the options make no sense. */
  constructor(options: SimulationOptions = {}) {
    this.options = resolveOptions(options);
    this.#random = new Random(this.options.seed);
    this.#population = populate(this.options, this.#random);
    this.#engine = new Engine({
      accounts: this.#population.accounts,
      markets: this.options.markets,
      random: this.#random,
      tradesMax: this.options.trades,
      startMs: EPOCH_MS + (this.options.seed % DAY_SECONDS) * 1000,
    });
  }

  /** The stream, message by message, numbered from 1 without a hole. */
  *events(): Generator<Message, void, void> {
    const engine = this.#engine;
    for (const { user, asset, amount } of fundings(this.options, this.#population, this.#random)) {
      engine.deposit(user, asset, amount);
      yield* engine.drain();
    }
    const traders = new Traders(engine, this.options, this.#population, this.#random);
    while (!engine.done) {
      traders.step();
      yield* engine.drain();
    }
  }

  /** Counts and balances after the events taken so far; the oracle once all are. */
  oracle(): Oracle {
    return oracleOf(this.#engine.counts, this.#engine.accounts);
  }
}

/** The stream of a simulation, for who needs no oracle. */
export function events(options: SimulationOptions = {}): Generator<Message, void, void> {
  return new Simulation(options).events();
}
