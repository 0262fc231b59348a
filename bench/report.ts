/**
 * The report: medians with their spread, ratios formed within each round, and what a trade costs. Field names are a
 * contract for programs; a contender that was not verified has no figure, nor has a ratio that would need it.
 */
import type { Calibration, Contender, ContenderName, RoundResult, Verification } from './contender.ts';
import type { LatencyReport } from './latency.ts';
import type { Origin } from './machine.ts';
import type { Plan } from './options.ts';
import type { RoundsOutcome } from './rounds.ts';
import { median, significant } from './statistics.ts';

/** One contender's figures. */
export interface ContenderReport {
  /** Median over the rounds; null where its result could not be verified. */
  readonly tradesPerSecond: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** Trades a second, round by round. */
  readonly rounds: readonly number[];
  /** Trades in measured segments. */
  readonly trades: number;
  readonly verification: Verification;
  /** CPU seconds a million trades, by process; median over the rounds. */
  readonly cpuSecondsPerMillionTrades: Readonly<Record<string, number>>;
  /** Highest resident memory of its processes while it was measured, MiB. */
  readonly memoryMiB: Readonly<Record<string, number>>;
  readonly history?: HistoryReport;
  readonly calibration?: Calibration;
}

/** What Temporal keeps of it. */
export interface HistoryReport {
  readonly eventsPerTrade: number;
  /** Bytes of history a byte of ZeroMQ payload (the JSON frame). */
  readonly bytesPerEventByte: number;
  readonly bytesPerTrade: number;
  readonly payloadBytesPerTrade: number;
  /** Runs that continued as new while it was measured. */
  readonly runsEnded: number;
}

/** All of it. */
export interface BenchReport extends Origin {
  readonly mode: string;
  readonly rounds: number;
  /** Users of most markets, and of the large one. */
  readonly users: number;
  readonly manyUsers: number;
  readonly seconds: number;
  readonly contenders: Readonly<Partial<Record<ContenderName, ContenderReport>>>;
  /** Medians of the ratios of each round. */
  readonly ratios: Readonly<Partial<Record<RatioName, number | null>>>;
  readonly ratiosByRound: Readonly<Partial<Record<RatioName, readonly number[]>>>;
  readonly latencyMs: LatencyReport['latencyMs'] | Record<string, never>;
  readonly latency?: Pick<LatencyReport, 'activityKind' | 'topRate'>;
  readonly history: HistoryReport | Record<string, never>;
  /** Highest over all of the product's contenders. */
  readonly memoryMiB: { readonly worker?: number; readonly ingest?: number };
  /** True if every contender that ran was verified, and all was measured. */
  readonly ok: boolean;
}

/** Ratios of two contenders. */
const RATIOS = {
  productToClassic: ['product', 'classicLoop'],
  productToWorkflowPerTrade: ['product', 'workflowPerTrade'],
  productToCeiling: ['product', 'writeCeiling'],
  hotToUniform: ['productHot', 'product'],
  skewedToUniform: ['productSkewed', 'product'],
  manyUsersToUniform: ['productManyUsers', 'product'],
  productToSettler: ['product', 'settler'],
  settlerToCeiling: ['settler', 'writeCeiling'],
} as const satisfies Record<string, readonly [ContenderName, ContenderName]>;

/** Every ratio of the report. */
export type RatioName = keyof typeof RATIOS | 'latencyToUpdate';

/** What the report is made of. */
export interface ReportInput {
  readonly origin: Origin;
  readonly plan: Pick<Plan, 'mode' | 'rounds' | 'users' | 'manyUsers'>;
  readonly seconds: number;
  readonly contenders: readonly Contender[];
  readonly outcome: RoundsOutcome;
  readonly latency?: LatencyReport | 'failed' | undefined;
}

/** Puts the report together. */
export function reportOf(input: ReportInput): BenchReport {
  const { origin, outcome, plan } = input;
  const latency = input.latency === 'failed' ? undefined : input.latency;
  const contenders = Object.fromEntries(
    input.contenders.map((contender) => [contender.name, contenderReport(contender, outcome)]),
  ) as BenchReport['contenders'];
  const ratios: Record<string, number | null> = {};
  const ratiosByRound: Record<string, number[]> = {};
  for (const [name, [over, under]] of Object.entries(RATIOS)) {
    if (!contenders[over] || !contenders[under]) continue;
    const isSound = contenders[over].tradesPerSecond !== null && contenders[under].tradesPerSecond !== null;
    const each = isSound ? ratiosWithinRounds(outcome.results, over, under) : [];
    ratiosByRound[name] = each.map((ratio) => significant(ratio));
    ratios[name] = each.length > 0 ? significant(median(each)) : null;
  }
  if (latency)
    ratios['latencyToUpdate'] = significant(latency.latencyMs.lone.p50 / latency.latencyMs.update.p50);
  return {
    ...origin,
    mode: plan.mode,
    rounds: plan.rounds,
    users: plan.users,
    manyUsers: plan.manyUsers,
    seconds: Math.round(input.seconds),
    contenders,
    ratios,
    ratiosByRound,
    latencyMs: latency?.latencyMs ?? {},
    ...(latency && { latency: { activityKind: latency.activityKind, topRate: latency.topRate } }),
    history: contenders.product?.history ?? {},
    memoryMiB: memoryOf(outcome.results),
    ok: input.latency !== 'failed' && Object.values(contenders).every(({ verification }) => verification.ok),
  };
}

/** The ratios of two contenders, of those rounds in which both were measured. */
export function ratiosWithinRounds(
  results: readonly Pick<RoundResult, 'name' | 'round' | 'tradesPerSecond'>[],
  over: ContenderName,
  under: ContenderName,
): number[] {
  const rateOf = (name: ContenderName, round: number): number | undefined =>
    results.find((result) => result.name === name && result.round === round)?.tradesPerSecond;
  const rounds = [...new Set(results.map(({ round }) => round))];
  return rounds.flatMap((round) => {
    const [a, b] = [rateOf(over, round), rateOf(under, round)];
    return a === undefined || b === undefined ? [] : [a / b];
  });
}

function contenderReport(contender: Contender, outcome: RoundsOutcome): ContenderReport {
  const { name, calibration } = contender;
  const results = outcome.results.filter((result) => result.name === name);
  const rates = results.map(({ tradesPerSecond }) => tradesPerSecond);
  const failure = outcome.failures.get(name) ?? 'it was not verified';
  const verification = outcome.verifications.get(name) ?? { ok: false, how: 'count', detail: failure };
  const counts = verification.ok && rates.length > 0;
  const figure = (value: number): number | null => (counts ? significant(value) : null);
  return {
    tradesPerSecond: figure(median(rates)),
    min: figure(Math.min(...rates)),
    max: figure(Math.max(...rates)),
    rounds: rates.map((rate) => significant(rate)),
    trades: results.reduce((sum, { trades }) => sum + trades, 0),
    verification,
    cpuSecondsPerMillionTrades: byProcess(results, ({ cpuSeconds, trades }) =>
      mapped(cpuSeconds, (seconds) => (seconds / trades) * 1e6),
    ),
    memoryMiB: highest(results),
    ...(results.some(({ history }) => history) && { history: historyReport(results) }),
    ...(calibration && { calibration }),
  };
}

function mapped(
  values: Readonly<Record<string, number>>,
  change: (value: number) => number,
): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}

/** Medians over the rounds, process by process. */
function byProcess(
  results: readonly RoundResult[],
  pick: (result: RoundResult) => Readonly<Record<string, number>>,
): Record<string, number> {
  const each = results.map(pick);
  const names = [...new Set(each.flatMap((one) => Object.keys(one)))];
  return Object.fromEntries(
    names.map((name) => [name, significant(median(each.flatMap((one) => one[name] ?? [])), 3)]),
  );
}

function highest(results: readonly RoundResult[]): Record<string, number> {
  const names = [...new Set(results.flatMap(({ residentMiBMax }) => Object.keys(residentMiBMax)))];
  return Object.fromEntries(
    names.map((name) => [
      name,
      Math.round(Math.max(...results.map(({ residentMiBMax }) => residentMiBMax[name] ?? 0))),
    ]),
  );
}

function historyReport(results: readonly RoundResult[]): HistoryReport {
  const sum = (pick: (result: RoundResult) => number): number =>
    results.reduce((total, one) => total + pick(one), 0);
  const trades = sum((result) => result.trades);
  const payloadBytes = sum((result) => result.payloadBytes);
  const bytes = sum(({ history }) => history?.bytes ?? 0);
  return {
    eventsPerTrade: significant(sum(({ history }) => history?.events ?? 0) / trades),
    bytesPerEventByte: significant(bytes / payloadBytes),
    bytesPerTrade: significant(bytes / trades),
    payloadBytesPerTrade: significant(payloadBytes / trades),
    runsEnded: sum(({ history }) => history?.runsEnded ?? 0),
  };
}

function memoryOf(results: readonly RoundResult[]): BenchReport['memoryMiB'] {
  const { worker, ingest } = highest(results);
  return { ...(worker !== undefined && { worker }), ...(ingest !== undefined && { ingest }) };
}
