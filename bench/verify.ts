/**
 * Holds what a contender settled against the market's own books: by the product's audit where all its tables were
 * written, else by counting rows and comparing every balance.
 */
import { join } from 'node:path';
import type { Client } from 'cassandra-driver';
import { writeOracle } from '../src/simulator/oracle.ts';
import type { Verification } from './contender.ts';
import type { Place } from './place.ts';
import type { Children } from './process/children.ts';
import type { Market } from './stream/market.ts';

const PAGE_ROWS = 5_000;
const DIFFERENCES_SHOWN = 3;

/** Runs `settled verify --oracle` on a place. */
export async function verifyByAudit(
  children: Children,
  { name, env, config }: Place,
  market: Market,
  folder: string,
): Promise<Verification> {
  const oracle = join(folder, `${name}.oracle.json`);
  await writeOracle(oracle, market.oracle());
  const args = ['verify', '--stream', config.stream.name, '--json', '--oracle', oracle];
  const audit = children.command(args, env, `${name}-verify`);
  const { code, stdout } = await audit.ended;
  if (stdout.trim() === '') return { ok: false, how: 'audit', detail: `exit code ${code} and no report` };
  const report = JSON.parse(stdout) as {
    ok: boolean;
    findingsTotal: number;
    findings: { kind: string; detail: string }[];
    counts: { trades: number };
  };
  const [finding] = report.findings;
  const found = finding
    ? `${report.findingsTotal} findings, the first: ${finding.kind}, ${finding.detail}`
    : 'clean';
  return { ok: report.ok, how: 'audit', detail: `${report.counts.trades} trades, ${found}` };
}

/** What is counted. */
export interface CountOptions {
  /** True if every version of a balance must have its ledger entry. */
  readonly entries: boolean;
}

/** Counts trades (and entries), and compares every balance with the books. */
export async function verifyByCount(
  client: Client,
  market: Market,
  { entries }: CountOptions,
): Promise<Verification> {
  const wrong: string[] = [];
  const expect = (what: string, found: number, expected: number): void => {
    if (found !== expected) wrong.push(`${found} ${what}, ${expected} were sent`);
  };
  const books = new Map([...market.oracle().balances].map((one) => [`${one.user}/${one.asset}`, one]));
  let versions = 0;
  for (const { version } of books.values()) versions += Number(version);
  let balances = 0;
  const query = 'SELECT user_id, asset_id, available, frozen, version FROM user_balances';
  for await (const row of await client.execute(query, [], { prepare: true, fetchSize: PAGE_ROWS })) {
    const { user_id, asset_id, available, frozen, version } = row as Record<string, bigint>;
    const key = `${user_id}/${asset_id}`;
    const book = books.get(key);
    balances += 1;
    if (
      !book ||
      book.available !== `${available}` ||
      book.frozen !== `${frozen}` ||
      book.version !== `${version}`
    )
      wrong.push(
        `balance ${key} is ${available} ${frozen} v${version}, the books have ${JSON.stringify(book)}`,
      );
  }
  expect('balances', balances, books.size);
  expect('trades', await count(client, 'SELECT trade_id FROM settled_trades'), market.trades);
  if (entries) expect('entries', await count(client, 'SELECT version FROM ledger_entries'), versions);
  const more = wrong.length > DIFFERENCES_SHOWN ? `; and ${wrong.length - DIFFERENCES_SHOWN} more` : '';
  const detail =
    wrong.length === 0
      ? `${market.trades} trades, every balance`
      : wrong.slice(0, DIFFERENCES_SHOWN).join('; ') + more;
  return { ok: wrong.length === 0, how: 'count', detail };
}

async function count(client: Client, query: string): Promise<number> {
  let rows = 0;
  for await (const _ of await client.execute(query, [], { prepare: true, fetchSize: PAGE_ROWS })) rows += 1;
  return rows;
}
