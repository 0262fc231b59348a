/** A settled event as people and programs see it. */
import type { Config } from '../config/index.ts';
import type { LedgerEvent, Trade } from '../domain/event.ts';
import { legsOf } from '../domain/legs.ts';
import type { EventRow } from '../ledger/event-rows.ts';
import { runUrl } from './temporal-connection.ts';

const LEG_NAMES = ['buyer, quote', 'buyer, base', 'seller, base', 'seller, quote'];

interface SettledBy {
  readonly workflow: string;
  readonly run: string;
  readonly chunk: string;
  readonly at: string;
  readonly dismissed?: { readonly who: string; readonly why: string };
}

function fields(row: EventRow): [string, string][] {
  const { event, stream } = row;
  const time = `${new Date(event.timeMs).toISOString()}${event.stamped ? ' (stamped by the ingest)' : ''}`;
  return event.kind === 'trade' ? tradeFields(event, stream, time) : ledgerFields(event, stream, time);
}

function ledgerFields(event: LedgerEvent, stream: string, time: string): [string, string][] {
  return [
    ['kind', event.kind],
    ['stream', stream],
    ['sequence', `${event.sequence}`],
    ['time', time],
    ['user', `${event.userId}`],
    ['amount', `${event.amount} of asset ${event.currency}`],
    ['version before', `${event.version}${event.versionStated ? '' : ' (assigned by the ingest)'}`],
    ['related id', `${event.relatedId}`],
  ];
}

function tradeFields(trade: Trade, stream: string, time: string): [string, string][] {
  return [
    ['trade_id', `${trade.tradeId}`],
    ['stream', stream],
    ['sequence', `${trade.sequence}`],
    ['output_sequence', `${trade.outputSequence}`],
    ['match_seq', `${trade.matchSeq}`],
    ['time', time],
    ['buyer', `${trade.buyerUserId} (order ${trade.buyOrderId})`],
    ['seller', `${trade.sellerUserId} (order ${trade.sellOrderId})`],
    ['price', `${trade.price}`],
    ['quantity', `${trade.quantity} of asset ${trade.baseAsset}`],
    ['quote amount', `${trade.quoteAmount} of asset ${trade.quoteAsset}`],
    ['buyer refund', `${trade.buyerRefund}`],
    ['seller refund', `${trade.sellerRefund}`],
  ];
}

/** An event's row, its legs step by step, and the run that settled it, for people. */
export function eventText(config: Config, row: EventRow): string {
  const settledBy = JSON.parse(row.settledBy) as SettledBy;
  const lines = fields(row).map(([name, value]) => `  ${name.padEnd(16)} ${value}`);
  if (row.dismissed)
    lines.push(
      `  DISMISSED        by ${settledBy.dismissed?.who ?? 'whom is not known'}: ${settledBy.dismissed?.why ?? 'why is not known'}; nothing of it changed a balance`,
    );
  const stated = legsOf(row.event);
  for (const leg of row.legs) {
    // Of a dismissed trade only the legs that took versions stand in the row.
    const index = stated.findIndex(
      (one) =>
        one.userId === leg.userId && one.assetId === leg.assetId && one.expectedVersion === leg.versionBefore,
    );
    lines.push(
      `  leg ${index + 1}: ${row.event.kind === 'trade' ? (LEG_NAMES[index] ?? '') : row.event.kind} — user ${leg.userId}, asset ${leg.assetId}, from version ${leg.versionBefore}`,
    );
    for (const step of leg.steps)
      lines.push(
        `    ${step.kind.padEnd(8)} v${step.version}: available ${signed(step.availableChange)} → ${step.availableAfter}, ` +
          `frozen ${signed(step.frozenChange)} → ${step.frozenAfter}, chain ${step.chain.toString('hex').slice(0, 16)}…`,
      );
  }
  lines.push(
    `  settled by       ${settledBy.workflow}, run ${settledBy.run}, chunk ${settledBy.chunk}, at ${settledBy.at}`,
    `  Temporal UI      ${runUrl(config, settledBy.workflow, settledBy.run) ?? 'not known: set SETTLED_TEMPORAL_UI_URL'}`,
  );
  return lines.join('\n');
}

/** The same as plain JSON; 64-bit integers are decimal strings. */
export function eventJson(config: Config, row: EventRow): object {
  const settledBy = JSON.parse(row.settledBy) as SettledBy;
  const text = (_: string, value: unknown): unknown => {
    if (typeof value === 'bigint') return value.toString();
    return value;
  };
  const plain = {
    ...row.event,
    stream: row.stream,
    dismissed: row.dismissed,
    digest: row.digest.toString('hex'),
    legs: row.legs.map((leg) => ({
      ...leg,
      chainBefore: leg.chainBefore.toString('hex'),
      steps: leg.steps.map((step) => ({ ...step, chain: step.chain.toString('hex') })),
    })),
    settledBy,
    temporalUi: runUrl(config, settledBy.workflow, settledBy.run) ?? null,
  };
  return JSON.parse(JSON.stringify(plain, text)) as object;
}

function signed(change: bigint): string {
  return change > 0n ? `+${change}` : `${change}`;
}
