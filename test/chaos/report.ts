/** What a run reports, as JSON and in words. */
import type { Endings } from './supervised.ts';

/** How long it took from the end of a fault to the first newly settled sequence, ms. */
export interface BackToWork {
  readonly count: number;
  readonly p50: number;
  readonly max: number;
}

/** One fault as it went. */
export interface StruckFault {
  readonly name: string;
  /** True if it hit a process of this project and nothing else. */
  readonly ours: boolean;
  /** Events in flight when it struck. */
  readonly inFlight: number;
  readonly backToWorkMs: number;
}

/** The report. */
export interface ChaosReport {
  readonly seed: number;
  readonly nodes: number;
  readonly workers: number;
  /** Faults that struck, by name. */
  readonly faults: Readonly<Record<string, number>>;
  readonly kills: number;
  readonly events: number;
  /** Events of the engine that are not settled, or not whole. */
  readonly lost: number;
  /** Events that are settled more than once, or that the engine does not know. */
  readonly doubled: number;
  /** Findings of the audit, held against the engine's oracle. */
  readonly findings: number;
  readonly backToWorkMs: BackToWork & {
    /** After faults of our own processes alone, for which there is a bar. */
    readonly ours: BackToWork;
    readonly byFault: Readonly<Record<string, BackToWork>>;
  };
  readonly inFlightMin: number;
  /** Endings of our processes that were not asked for, by exit code or signal. */
  readonly endings: Readonly<Record<string, Endings>>;
  /** What the links did, counted. */
  readonly links: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Kinds of fault that this machine does not permit. */
  readonly leftOut: readonly string[];
  readonly seconds: number;
  /** Why it failed, if it did. */
  readonly failure?: string;
  readonly ok: boolean;
}

/** The bars on the time back to work after faults of our own processes, ms. */
export const BARS_MS = { p50: 5_000, max: 20_000 } as const;

/** Median and maximum. Zeros where there is nothing. */
export function backToWorkOf(times: readonly number[]): BackToWork {
  const sorted = times.toSorted((a, b) => a - b);
  const p50 = sorted[Math.ceil(sorted.length / 2) - 1] ?? 0;
  return { count: sorted.length, p50: Math.round(p50), max: Math.round(sorted.at(-1) ?? 0) };
}

/** The faults' part of a report. */
export function tally(
  struck: readonly StruckFault[],
): Pick<ChaosReport, 'faults' | 'kills' | 'backToWorkMs' | 'inFlightMin'> {
  const times = (some: readonly StruckFault[]): BackToWork =>
    backToWorkOf(some.map(({ backToWorkMs }) => backToWorkMs));
  const names = [...new Set(struck.map(({ name }) => name))].toSorted();
  const named = (name: string): StruckFault[] => struck.filter((one) => one.name === name);
  return {
    faults: Object.fromEntries(names.map((name) => [name, named(name).length])),
    kills: struck.filter(({ name }) => name.startsWith('kill-')).length,
    backToWorkMs: {
      ...times(struck),
      ours: times(struck.filter(({ ours }) => ours)),
      byFault: Object.fromEntries(names.map((name) => [name, times(named(name))])),
    },
    inFlightMin: struck.length === 0 ? 0 : Math.min(...struck.map(({ inFlight }) => inFlight)),
  };
}

/** Lines for people. */
export function describeReport(report: ChaosReport): string {
  const { backToWorkMs, endings } = report;
  const row = (name: string, { count, p50, max }: BackToWork): string =>
    `${name.padEnd(26)}${String(count).padStart(6)}${String(p50).padStart(10)}${String(max).padStart(10)}`;
  const ended = Object.entries(endings).flatMap(([who, how]) =>
    Object.entries(how).map(([why, times]) => `${who}: ${why} × ${times}`),
  );
  return [
    `${'fault'.padEnd(26)}${'times'.padStart(6)}${'p50 ms'.padStart(10)}${'max ms'.padStart(10)}   back to work`,
    ...Object.entries(backToWorkMs.byFault).map(([name, times]) => row(name, times)),
    row('all', backToWorkMs),
    row('of our own processes', backToWorkMs.ours),
    '',
    `events     ${report.events}, at least ${report.inFlightMin} in flight at each fault`,
    `lost       ${report.lost}`,
    `doubled    ${report.doubled}`,
    `findings   ${report.findings}`,
    ...(ended.length > 0 ? [`ended by themselves, and started again: ${ended.join(', ')}`] : []),
    ...(report.leftOut.length > 0 ? [`left out, not permitted here: ${report.leftOut.join(', ')}`] : []),
    `seed ${report.seed}, ${report.seconds} s${report.failure === undefined ? '' : `, FAILED: ${report.failure}`}`,
  ].join('\n');
}
