/**
 * `settled trade show ID`: a trade's row, its legs step by step, and the run that settled it (I11).
 */
import { InvalidArgumentError, type Command } from 'commander';
import { loadConfig, type Config } from '../../config/index.ts';
import type { Trade } from '../../domain/event.ts';
import { legsOf } from '../../domain/legs.ts';
import { parseUint63 } from '../../domain/integers.ts';
import { readTrades } from '../../ledger/event-lookup.ts';
import type { EventRow } from '../../ledger/event-rows.ts';
import { openDatabase } from '../cassandra-connection.ts';
import { runUrl } from '../temporal-connection.ts';

const NOT_FOUND_EXIT_CODE = 3;
const LEG_NAMES = ['buyer, quote', 'buyer, base', 'seller, base', 'seller, quote'];

interface SettledBy {
  readonly workflow: string;
  readonly run: string;
  readonly chunk: string;
  readonly at: string;
  readonly dismissed?: { readonly who: string; readonly why: string };
}

async function show(tradeId: bigint, flags: { readonly json?: boolean }): Promise<void> {
  const config = loadConfig(process.env);
  const client = await openDatabase(config);
  try {
    const rows = await readTrades(client, tradeId);
    if (rows.length === 0) {
      process.stderr.write(`Trade ${tradeId} is not settled in keyspace ${config.cassandra.keyspace}.\n`);
      process.exitCode = NOT_FOUND_EXIT_CODE;
      return;
    }
    for (const row of rows)
      process.stdout.write(
        flags.json ? `${JSON.stringify(asJson(config, row))}\n` : `${asText(config, row)}\n`,
      );
    if (rows.length > 1)
      process.stderr.write(`The id ${tradeId} was used ${rows.length} times: run "settled verify".\n`);
  } finally {
    await client.shutdown();
  }
}

function fields({ event, stream }: EventRow): [string, string][] {
  const trade = event as Trade;
  return [
    ['trade_id', `${trade.tradeId}`],
    ['stream', stream],
    ['sequence', `${trade.sequence}`],
    ['output_sequence', `${trade.outputSequence}`],
    ['match_seq', `${trade.matchSeq}`],
    ['time', `${new Date(trade.timeMs).toISOString()}${trade.stamped ? ' (stamped by the ingest)' : ''}`],
    ['buyer', `${trade.buyerUserId} (order ${trade.buyOrderId})`],
    ['seller', `${trade.sellerUserId} (order ${trade.sellOrderId})`],
    ['price', `${trade.price}`],
    ['quantity', `${trade.quantity} of asset ${trade.baseAsset}`],
    ['quote amount', `${trade.quoteAmount} of asset ${trade.quoteAsset}`],
    ['buyer refund', `${trade.buyerRefund}`],
    ['seller refund', `${trade.sellerRefund}`],
  ];
}

function asText(config: Config, row: EventRow): string {
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
      `  leg ${index + 1}: ${LEG_NAMES[index] ?? ''} — user ${leg.userId}, asset ${leg.assetId}, from version ${leg.versionBefore}`,
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

function asJson(config: Config, row: EventRow): unknown {
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
  return JSON.parse(JSON.stringify(plain, text));
}

function signed(change: bigint): string {
  return change > 0n ? `+${change}` : `${change}`;
}

function id(text: string): bigint {
  try {
    return parseUint63(text, 'trade id');
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

/** Adds the command. */
export function register(program: Command): void {
  const trade = program.command('trade').description('look at settled trades');
  trade
    .command('show')
    .description(
      "a trade's row, its legs and the run that settled it (exit codes: 0 shown, 1 could not look, 3 not settled)",
    )
    .argument('<id>', 'trade id', id)
    .option('--json', 'one JSON object a row')
    .action(show);
}
