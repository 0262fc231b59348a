/**
 * An engine that says whatever a test lets it say: ledger events and trades in its own words, numbered one after the
 * other, right or wrong.
 */
import type { Frames } from '../../src/publisher/push.ts';
import { encodeMessage } from '../../src/wire/encode.ts';
import type { LedgerWord, TradeMessage } from '../../src/wire/message.ts';

/** Numbers what it states. */
export class Stating {
  readonly messages: Frames[] = [];

  get sequence(): number {
    return this.messages.length;
  }

  /** A ledger event of a user's balance at a version. */
  ledger(word: LedgerWord, user: number, version: number, amount: number | bigint, currency = 2): this {
    const sequence = BigInt(this.messages.length + 1);
    this.messages.push(
      encodeMessage({
        user_id: BigInt(user),
        sequence_id: sequence,
        event_type: word,
        amount: BigInt(amount),
        currency: BigInt(currency),
        related_id: 0n,
        created_at: 1_700_000_000_000n + sequence,
        version: BigInt(version),
      }),
    );
    return this;
  }

  /** User 1 buys 10 of asset 1 at 10 of asset 2 each from user 2, but for what is said. */
  trade(more: Partial<TradeMessage> = {}): this {
    const sequence = BigInt(this.messages.length + 1);
    this.messages.push(
      encodeMessage({
        trade_id: 7_000n + sequence,
        buy_order_id: 1n,
        sell_order_id: 2n,
        buyer_user_id: 1n,
        seller_user_id: 2n,
        price: 10n,
        quantity: 10n,
        base_asset: 1n,
        quote_asset: 2n,
        buyer_refund: 0n,
        seller_refund: 0n,
        match_seq: 1n,
        output_sequence: sequence,
        settled_at: 1_700_000_000_000n + sequence,
        buyer_quote_version: 2n,
        buyer_base_version: 0n,
        seller_base_version: 2n,
        seller_quote_version: 0n,
        ...more,
      }),
    );
    return this;
  }

  /** What a trade needs: user 1 has 100 of asset 2 frozen, user 2 has 10 of asset 1. Four events. */
  funded(): this {
    return this.ledger('DEPOSIT', 1, 0, 100)
      .ledger('LOCK', 1, 1, 100)
      .ledger('DEPOSIT', 2, 0, 10, 1)
      .ledger('LOCK', 2, 1, 10, 1);
  }
}
