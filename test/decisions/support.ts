/** What tests of decisions share: our commands run as a person would, and tables read as they are. */
import { execa } from 'execa';
import { fileURLToPath } from 'node:url';
import { decidePartition } from '../../src/cli/decide.ts';
import { partitionOf } from '../../src/domain/partition.ts';
import { PARTITIONS, type Rig, type RunningIngest, until } from '../ingest/rig.ts';
import type { DecideResult, DecisionKind } from '../../src/workflows/contract.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/settled.mjs', import.meta.url));
const COMMAND_MS_MAX = 100_000;

/** How a command ended. */
export interface Ran {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command runs with. */
type Surroundings = Pick<Rig, 'env'>;

/** Runs a command of ours on a stream. */
export async function settled(rig: Surroundings, stream: string, ...args: readonly string[]): Promise<Ran> {
  const { exitCode, stdout, stderr } = await execa(process.execPath, [PROGRAM, ...args], {
    env: rig.env(stream),
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
    timeout: COMMAND_MS_MAX,
  });
  return { code: exitCode, stdout, stderr };
}

/** The same with --json, parsed. */
export async function settledJson(
  rig: Surroundings,
  stream: string,
  ...args: readonly string[]
): Promise<Ran & { readonly json: Record<string, unknown> }> {
  const ran = await settled(rig, stream, ...args, '--json');
  return { ...ran, json: JSON.parse(ran.stdout || 'null') as Record<string, unknown> };
}

/** Decides without a command. */
export function decide(
  rig: Rig,
  stream: string,
  user: number,
  decision: DecisionKind,
  sequence: number,
): Promise<DecideResult> {
  const partition = partitionOf(BigInt(user), PARTITIONS);
  const place = {
    client: rig.temporal,
    taskQueue: rig.taskQueue,
    stream,
    dialect: 'numbered' as const,
    partition,
  };
  return decidePartition(place, { decision, sequence: `${sequence}`, who: 'ann', why: 'a test' });
}

/** Waits until a partition is halted by that event. */
export async function untilHalted(running: RunningIngest, sequence: number): Promise<void> {
  await until(`sequence ${sequence} halts its partition`, () =>
    running.ingest.progress.halted.some(({ halt }) => halt.conflict.sequence === `${sequence}`),
  );
}

/** "available frozen version last_sequence" of a balance. */
export async function balanceOf(rig: Rig, user: number, asset = 2): Promise<string | undefined> {
  const query =
    'SELECT available, frozen, version, last_sequence FROM user_balances WHERE user_id = ? AND asset_id = ?';
  const row = (await rig.database.client.execute(query, [BigInt(user), asset], { prepare: true })).rows[0];
  return row && `${row['available']} ${row['frozen']} ${row['version']} ${row['last_sequence']}`;
}

/** "version step sequence" of each entry of a balance. */
export async function entriesOf(rig: Rig, user: number, asset = 2): Promise<string[]> {
  const query =
    'SELECT version, step, sequence FROM ledger_entries WHERE user_id = ? AND asset_id = ? AND bucket = 0';
  const { rows } = await rig.database.client.execute(query, [BigInt(user), asset], { prepare: true });
  return rows.map((row) => `${row['version']} ${row['step']} ${row['sequence']}`);
}
