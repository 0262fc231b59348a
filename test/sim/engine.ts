/**
 * The engine of a run: what it states over a span of time, right or wrong. How it gets to an ingest is its process's business
 * (engine-host.ts).
 */
import type { Message } from '../../src/wire/message.ts';
import { stated, type Account, type BookedStep, type Market, type Stated } from './market.ts';
import type { Random } from './random.ts';

/** An engine and its history. */
export class Engine {
  readonly market: Market;
  /** By sequence, from 1. */
  readonly stated: Stated[] = [];
  /** Sequences whose event never happened as it was stated: it must never be settled. */
  readonly bad = new Set<bigint>();
  readonly #random: Random;

  constructor(market: Market, random: Random) {
    this.market = market;
    this.#random = random;
  }

  get lastStated(): bigint {
    return BigInt(this.stated.length);
  }

  /** The frames of an event. */
  framesOf(sequence: bigint): readonly [Buffer, Buffer] {
    const event = this.stated[Number(sequence) - 1];
    if (!event) throw new Error(`nothing was stated under ${sequence}`);
    return event.frames;
  }

  /** Something else under the same number. */
  otherFramesOf(sequence: bigint): readonly [Buffer, Buffer] {
    const event = this.stated[Number(sequence) - 1];
    if (!event) throw new Error(`nothing was stated under ${sequence}`);
    return stated(sequence, altered(event.message), []).frames;
  }

  /** States the next event of its market. */
  next(): void {
    this.stated.push(this.market.next(this.lastStated + 1n));
  }

  /** States an event of one account that is right in itself. */
  nextOf(account: Account): void {
    this.stated.push(
      this.market.ledgerEvent(
        this.lastStated + 1n,
        'DEPOSIT',
        account,
        BigInt(1 + this.#random.below(1_000)),
      ),
    );
  }

  /** States something that did not happen so. */
  stateBad(account: Account, word: 'DEPOSIT' | 'WITHDRAW', amount: bigint, version: bigint): bigint {
    const sequence = this.lastStated + 1n;
    const message = this.market.ledgerMessage(sequence, word, account, amount, version);
    this.stated.push(stated(sequence, message, []));
    this.bad.add(sequence);
    return sequence;
  }

  /** A trade, and the account of its seller that was paid; undefined where there is nothing to trade. */
  nextTrade(): Account | undefined {
    const trade = this.market.trade(this.lastStated + 1n);
    if (!trade || !('trade_id' in trade.message)) return undefined;
    this.stated.push(trade);
    return this.market.account(trade.message.seller_user_id, Number(trade.message.quote_asset));
  }

  /** A trade under the id of an earlier one; false where there is nothing to trade. */
  stateTradeAgain(): boolean {
    const earlier = this.stated.find(({ message }) => 'trade_id' in message);
    if (!earlier || !('trade_id' in earlier.message)) return false;
    const trade = this.market.tradeOfId(this.lastStated + 1n, earlier.message.trade_id);
    if (trade) this.stated.push(trade);
    return trade !== undefined;
  }

  /** All steps of all events. */
  *steps(): Generator<BookedStep> {
    for (const { steps } of this.stated) yield* steps;
  }
}

function altered(message: Message): Message {
  return 'trade_id' in message
    ? { ...message, buy_order_id: message.buy_order_id + 1n }
    : { ...message, amount: message.amount + 1n };
}
