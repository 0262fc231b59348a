/**
 * A small market and its book: it states events one by one, and keeps of each what every balance must be after it. This is
 * the oracle: it counts by itself, and shares no code with the product's legs, calculation or decision.
 */
import { encodeMessage } from '../../src/wire/encode.ts';
import type { LedgerWord, Message } from '../../src/wire/message.ts';
import type { Random } from './random.ts';

/** A balance after one step of an event: one version of it. */
export interface BookedStep {
  readonly user: bigint;
  readonly asset: number;
  readonly version: bigint;
  readonly available: bigint;
  readonly frozen: bigint;
  readonly sequence: bigint;
}

/** An event as it was stated, and what follows from it. */
export interface Stated {
  readonly sequence: bigint;
  readonly message: Message;
  readonly frames: readonly [Buffer, Buffer];
  /** In the order in which they happen. Empty for an event that never happened. */
  readonly steps: readonly BookedStep[];
}

/** One (user, asset). */
export interface Account {
  readonly user: bigint;
  readonly asset: number;
  available: bigint;
  frozen: bigint;
  version: bigint;
  /** The sequence that touched it last. */
  sequence: bigint;
}

const ASSETS = 3;
const START_MS = Date.UTC(2026, 0, 1);

/** States events. */
export class Market {
  readonly accounts: Account[] = [];
  readonly #random: Random;
  readonly #stampless: boolean;
  #tradeId: bigint;

  /** @param stampless true: the engine states no times, so that the ingest stamps its own */
  constructor(random: Random, users: number, stampless: boolean) {
    this.#random = random;
    this.#stampless = stampless;
    this.#tradeId = BigInt(random.below(1_000_000)) << 32n;
    for (let user = 0; user < users; user += 1) {
      const id = BigInt(1 + random.below(1_000_000_000)) * 1_009n + BigInt(user);
      for (let asset = 1; asset <= ASSETS; asset += 1)
        this.accounts.push({ user: id, asset, available: 0n, frozen: 0n, version: 0n, sequence: 0n });
    }
  }

  /** The next event of the market. */
  next(sequence: bigint): Stated {
    const random = this.#random;
    const account = random.pick(this.accounts);
    for (let tries = 0; tries < 6; tries += 1) {
      const draw = random.next();
      if (draw < 0.45) {
        const trade = this.trade(sequence);
        if (trade) return trade;
      } else if (draw < 0.65 && account.available > 0n)
        return this.ledgerEvent(sequence, 'LOCK', account, this.#part(account.available));
      else if (draw < 0.75 && account.frozen > 0n)
        return this.ledgerEvent(sequence, 'UNLOCK', account, this.#part(account.frozen));
      else if (draw < 0.83 && account.available > 0n)
        return this.ledgerEvent(sequence, 'WITHDRAW', account, this.#part(account.available));
    }
    return this.ledgerEvent(sequence, 'DEPOSIT', account, BigInt(1 + random.below(1_000_000)));
  }

  /** States and books a deposit, withdrawal, lock or unlock. */
  ledgerEvent(sequence: bigint, word: LedgerWord, account: Account, amount: bigint): Stated {
    const message = this.ledgerMessage(sequence, word, account, amount, account.version);
    if (word === 'DEPOSIT' || word === 'UNLOCK') account.available += amount;
    else account.available -= amount;
    if (word === 'LOCK') account.frozen += amount;
    if (word === 'UNLOCK') account.frozen -= amount;
    return stated(sequence, message, [this.#step(account, sequence)]);
  }

  /** Such an event's message, whether it happened or not. */
  ledgerMessage(
    sequence: bigint,
    word: LedgerWord,
    { user, asset }: Account,
    amount: bigint,
    version: bigint,
  ): Message {
    return {
      user_id: user,
      sequence_id: sequence,
      event_type: word,
      amount,
      currency: BigInt(asset),
      related_id: BigInt(this.#random.below(1_000)),
      created_at: this.#time(sequence),
      version,
    };
  }

  /** A trade that has the id of another, but is an event of its own. */
  tradeOfId(sequence: bigint, tradeId: bigint): Stated | undefined {
    const before = this.#tradeId;
    this.#tradeId = tradeId - 1n;
    const trade = this.trade(sequence);
    this.#tradeId = before;
    return trade;
  }

  #time(sequence: bigint): bigint {
    return this.#stampless ? 0n : BigInt(START_MS) + sequence;
  }

  #part(whole: bigint): bigint {
    const part = (whole * BigInt(1 + this.#random.below(100))) / 100n;
    return part > 0n ? part : 1n;
  }

  account(user: bigint, asset: number): Account {
    const account = this.accounts.find((one) => one.user === user && one.asset === asset);
    if (!account) throw new Error(`no account ${user}/${asset}`);
    return account;
  }

  /** Two frozen amounts meet; undefined where there are none. */
  trade(sequence: bigint): Stated | undefined {
    const random = this.#random;
    const base = 1 + random.below(ASSETS);
    const quote = 1 + ((base + random.below(ASSETS - 1)) % ASSETS);
    const buyers = this.accounts.filter((one) => one.asset === quote && one.frozen > 0n);
    const sellers = this.accounts.filter((one) => one.asset === base && one.frozen > 0n);
    if (buyers.length === 0 || sellers.length === 0) return undefined;
    const paying = random.pick(buyers);
    const giving = random.pick(sellers);
    const quantity = this.#part(giving.frozen);
    const price = this.#part(paying.frozen) / quantity;
    if (price === 0n) return undefined;
    const cost = price * quantity;
    const buyerRefund = random.chance(0.3) ? this.#partOrNone(paying.frozen - cost) : 0n;
    const sellerRefund = random.chance(0.3) ? this.#partOrNone(giving.frozen - quantity) : 0n;
    const getting = this.account(paying.user, base);
    const paid = this.account(giving.user, quote);
    const steps: BookedStep[] = [];
    const spend = (account: Account, amount: bigint, refund: bigint): bigint => {
      const { version } = account;
      account.frozen -= amount;
      steps.push(this.#step(account, sequence));
      if (refund > 0n) {
        account.frozen -= refund;
        account.available += refund;
        steps.push(this.#step(account, sequence));
      }
      return version;
    };
    const receive = (account: Account, amount: bigint): bigint => {
      const { version } = account;
      account.available += amount;
      steps.push(this.#step(account, sequence));
      return version;
    };
    const buyerQuoteVersion = spend(paying, cost, buyerRefund);
    const buyerBaseVersion = receive(getting, quantity);
    const sellerBaseVersion = spend(giving, quantity, sellerRefund);
    const sellerQuoteVersion = receive(paid, cost);
    this.#tradeId += 1n;
    const message: Message = {
      trade_id: this.#tradeId,
      buy_order_id: sequence * 2n,
      sell_order_id: sequence * 2n + 1n,
      buyer_user_id: paying.user,
      seller_user_id: giving.user,
      price,
      quantity,
      base_asset: BigInt(base),
      quote_asset: BigInt(quote),
      buyer_refund: buyerRefund,
      seller_refund: sellerRefund,
      match_seq: sequence,
      output_sequence: sequence,
      settled_at: this.#time(sequence),
      buyer_quote_version: buyerQuoteVersion,
      buyer_base_version: buyerBaseVersion,
      seller_base_version: sellerBaseVersion,
      seller_quote_version: sellerQuoteVersion,
    };
    return stated(sequence, message, steps);
  }

  #partOrNone(whole: bigint): bigint {
    return whole > 0n ? this.#part(whole) : 0n;
  }

  #step(account: Account, sequence: bigint): BookedStep {
    account.version += 1n;
    account.sequence = sequence;
    const { user, asset, version, available, frozen } = account;
    return { user, asset, version, available, frozen, sequence };
  }
}

/** An event with its frames. */
export function stated(sequence: bigint, message: Message, steps: readonly BookedStep[]): Stated {
  return { sequence, message, frames: encodeMessage(message), steps };
}
