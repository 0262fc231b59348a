/**
 * The classic service's loop on the product's tables, one trade at a time: has it been settled, four balances read and
 * their versions compared, then one LOGGED BATCH of the trade's row and the balances. No ledger entries, no chain, no
 * legs: what such services leave out it need not pay for.
 */
import { types } from 'cassandra-driver';
import type { Trade } from '../../src/domain/event.ts';
import { legsOf } from '../../src/domain/legs.ts';
import { tradeDate } from '../../src/ledger/event-rows.ts';
import { eventsOf, fund, openDirect } from './direct.ts';
import { serve } from './serve.ts';

const TRADE_COLUMNS = [
  'trade_id',
  'stream',
  'output_sequence',
  'sequence',
  'buy_order_id',
  'sell_order_id',
  'buyer_user_id',
  'seller_user_id',
  'price',
  'quantity',
  'base_asset',
  'quote_asset',
  'quote_amount',
  'buyer_refund',
  'seller_refund',
  'match_seq',
  'settled_at',
  'trade_date',
  'buyer_quote_version',
  'buyer_base_version',
  'seller_base_version',
  'seller_quote_version',
];
const SELECT_TRADE =
  'SELECT trade_id FROM settled_trades WHERE trade_id = ? AND stream = ? AND output_sequence = ?';
const SELECT_BALANCE =
  'SELECT available, frozen, version FROM user_balances WHERE user_id = ? AND asset_id = ?';
const INSERT_TRADE = `INSERT INTO settled_trades (${TRADE_COLUMNS.join(', ')}) VALUES (${TRADE_COLUMNS.map(() => '?').join(', ')})`;
const INSERT_BALANCE =
  'INSERT INTO user_balances (user_id, asset_id, available, frozen, version, updated_at) VALUES (?, ?, ?, ?, ?, ?)';

const direct = await openDirect();
const { client, stream } = direct;

async function settleTrade(trade: Trade): Promise<void> {
  const found = await client.execute(SELECT_TRADE, [trade.tradeId, stream, trade.outputSequence], {
    prepare: true,
  });
  if (found.rowLength > 0) return;
  const time = new Date(trade.timeMs);
  const writes = [{ query: INSERT_TRADE, params: tradeCells(trade, time) }];
  for (const { userId, assetId, expectedVersion, steps } of legsOf(trade)) {
    const row = (
      await client.execute(SELECT_BALANCE, [userId, assetId], { prepare: true })
    ).first() as types.Row | null;
    const version = (row?.['version'] as bigint | undefined) ?? 0n;
    if (version !== expectedVersion)
      throw new Error(
        `trade ${trade.tradeId}: ${userId}/${assetId} is at ${version}, not ${expectedVersion}`,
      );
    let available = (row?.['available'] as bigint | undefined) ?? 0n;
    let frozen = (row?.['frozen'] as bigint | undefined) ?? 0n;
    for (const step of steps) {
      available += step.availableChange;
      frozen += step.frozenChange;
    }
    if (available < 0n || frozen < 0n)
      throw new Error(`trade ${trade.tradeId}: ${userId}/${assetId} would be negative`);
    const params = [userId, assetId, available, frozen, version + BigInt(steps.length), time];
    writes.push({ query: INSERT_BALANCE, params });
  }
  await client.batch(writes, { prepare: true, logged: true });
}

function tradeCells(trade: Trade, time: Date): unknown[] {
  return [
    trade.tradeId,
    stream,
    trade.outputSequence,
    trade.sequence,
    trade.buyOrderId,
    trade.sellOrderId,
    trade.buyerUserId,
    trade.sellerUserId,
    trade.price,
    trade.quantity,
    trade.baseAsset,
    trade.quoteAsset,
    trade.quoteAmount,
    trade.buyerRefund,
    trade.sellerRefund,
    trade.matchSeq,
    time,
    tradeDate(trade.timeMs),
    trade.buyerQuoteVersion,
    trade.buyerBaseVersion,
    trade.sellerBaseVersion,
    trade.sellerQuoteVersion,
  ];
}

let trades: readonly Trade[] = [];

function prepare({ path }: { path: string }): void {
  trades = eventsOf(path).flatMap(({ event }) => (event.kind === 'trade' ? [event] : []));
}

async function settle(): Promise<number> {
  const startedMs = performance.now();
  for (const trade of trades) await settleTrade(trade);
  return (performance.now() - startedMs) / 1000;
}

const finish = (): void => undefined;

serve({ fund: (segment: { path: string }) => fund(direct, segment), prepare, settle, finish }, () =>
  client.shutdown(),
);
