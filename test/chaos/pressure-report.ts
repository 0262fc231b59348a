/** What a run under pressure reports: memory by tenths, and how much it grew after the first minute. */
import { median } from '../../bench/statistics.ts';

/** Resident memory at a moment of the run. */
export interface MemorySample {
  readonly atMs: number;
  readonly ingestMiB: number;
  readonly workerMiB: number;
}

/** What went in and what came out. */
export interface Flow {
  readonly seconds: number;
  /** Events that the engine put into its outbox. */
  readonly offered: number;
  readonly settled: number;
  /** At the end. */
  readonly inFlight: number;
}

/** The report. */
export interface PressureReport extends Flow {
  /** Events offered for each that was settled. */
  readonly ratio: number;
  /** Medians, MiB. */
  readonly tenths: readonly { readonly ingestMiB: number; readonly workerMiB: number }[];
  /** The last tenth against the first after the first minute (or the second of a run that is shorter than that), as a share. */
  readonly rssGrowth: { readonly ingest: number; readonly worker: number };
  readonly ok: boolean;
}

/** The bar. */
export const RSS_GROWTH_MAX = 0.1;
/** An engine so much faster than settlement is what the run is about. */
export const RATIO_MIN = 10;
const TENTHS = 10;
const WARM_MS = 60_000;

/** @throws RangeError if a tenth has no sample */
export function pressureOf(samples: readonly MemorySample[], flow: Flow): PressureReport {
  const endMs = flow.seconds * 1000;
  const tenths = Array.from({ length: TENTHS }, (_, index) => {
    const within = samples.filter(
      ({ atMs }) => Math.min(TENTHS - 1, Math.floor((atMs / endMs) * TENTHS)) === index,
    );
    if (within.length === 0) throw new RangeError(`no sample in tenth ${index + 1}`);
    return {
      ingestMiB: median(within.map(({ ingestMiB }) => ingestMiB)),
      workerMiB: median(within.map(({ workerMiB }) => workerMiB)),
    };
  });
  const warm = Math.min(TENTHS - 2, Math.max(1, Math.ceil((WARM_MS / endMs) * TENTHS)));
  const [first, last] = [tenths[warm]!, tenths[TENTHS - 1]!];
  const growth = (before: number, after: number): number => Math.round((after / before - 1) * 1000) / 1000;
  const rssGrowth = {
    ingest: growth(first.ingestMiB, last.ingestMiB),
    worker: growth(first.workerMiB, last.workerMiB),
  };
  const ratio = Math.round((flow.offered / Math.max(flow.settled, 1)) * 10) / 10;
  const isFlat = rssGrowth.ingest <= RSS_GROWTH_MAX && rssGrowth.worker <= RSS_GROWTH_MAX;
  return {
    ...flow,
    seconds: Math.round(flow.seconds),
    ratio,
    tenths,
    rssGrowth,
    ok: isFlat && ratio >= RATIO_MIN,
  };
}
