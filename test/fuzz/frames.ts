/**
 * Frames to begin with: valid messages of both kinds, with numbers that are small, at a bound, or anything in between.
 */
import { INT64_MAX } from '../../src/domain/integers.ts';
import { Random } from '../../src/simulator/random.ts';
import { encodeMessage } from '../../src/wire/encode.ts';
import {
  TRADE_FIELDS,
  type Dialect,
  type LedgerMessage,
  type LedgerWord,
  type TradeMessage,
} from '../../src/wire/message.ts';

export type Frames = readonly Buffer[];

const WORDS: readonly LedgerWord[] = ['DEPOSIT', 'WITHDRAW', 'WITHDRAWAL', 'LOCK', 'UNLOCK'];
const ASSETS = 6;
const USERS = 50n;
const TIME_MS = 1_795_356_055_368n;
const KEPT_MAX = 256;

/** Makes valid messages, and gives back what it made before. */
export class ValidFrames {
  readonly #random: Random;
  readonly #kept: Frames[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /**
   * A valid message.
   *
   * @param sequence the number that it gets; a classic ledger event has none
   */
  next(dialect: Dialect, sequence: bigint): Frames {
    const message = this.#random.chance(512) ? this.#trade(sequence) : this.#ledger(dialect, sequence);
    const frames = encodeMessage(message);
    if (this.#kept.length < KEPT_MAX) this.#kept.push(frames);
    else this.#kept[this.#random.below(KEPT_MAX)] = frames;
    return frames;
  }

  /** One of those that were made last, as it was: an engine that says it again. */
  again(): Frames | undefined {
    return this.#kept.length === 0 ? undefined : this.#kept[this.#random.below(this.#kept.length)];
  }

  #amount(max = INT64_MAX): bigint {
    const bound = this.#random.chance(64) ? max : max < 1_000_000n ? max : 1_000_000n;
    return 1n + this.#random.belowBig(bound);
  }

  #id(): bigint {
    const random = this.#random;
    return random.chance(64) ? random.belowBig(INT64_MAX) : random.belowBig(USERS);
  }

  #trade(sequence: bigint): TradeMessage {
    const random = this.#random;
    const price = this.#amount();
    const quantity = this.#amount(INT64_MAX / price);
    const base = random.below(ASSETS);
    const buyer = this.#id();
    const seller = this.#id();
    const isSelf = buyer === seller;
    const buyerRefund = random.chance(256) ? random.belowBig(INT64_MAX - price * quantity + 1n) : 0n;
    const [quoteVersion, baseVersion] = [this.#id(), this.#id()];
    const values: TradeMessage = {
      trade_id: this.#id(),
      buy_order_id: this.#id(),
      sell_order_id: this.#id(),
      buyer_user_id: buyer,
      seller_user_id: seller,
      price,
      quantity,
      base_asset: BigInt(base),
      quote_asset: BigInt((base + 1 + random.below(ASSETS - 1)) % ASSETS),
      buyer_refund: buyerRefund,
      seller_refund: 0n,
      match_seq: this.#id(),
      output_sequence: sequence,
      settled_at: random.chance(256) ? 0n : TIME_MS,
      buyer_quote_version: quoteVersion,
      buyer_base_version: baseVersion,
      seller_base_version: isSelf ? baseVersion + 1n : this.#id(),
      seller_quote_version: isSelf ? quoteVersion + (buyerRefund > 0n ? 2n : 1n) : this.#id(),
    };
    return Object.fromEntries(TRADE_FIELDS.map((name) => [name, values[name]])) as TradeMessage;
  }

  #ledger(dialect: Dialect, sequence: bigint): LedgerMessage {
    const random = this.#random;
    const message: LedgerMessage = {
      user_id: this.#id(),
      sequence_id: dialect === 'numbered' ? sequence : 0n,
      event_type: WORDS[random.below(WORDS.length)] ?? 'DEPOSIT',
      amount: this.#amount(),
      currency: BigInt(random.below(ASSETS)),
      related_id: this.#id(),
      created_at: random.chance(256) ? 0n : TIME_MS,
    };
    return dialect === 'numbered' ? { ...message, version: this.#id() } : message;
  }
}
