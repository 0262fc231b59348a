/**
 * What is above the watermark, once everything was read: events that settle while the audit reads may be seen in one
 * table and not yet in another. Where that could explain a difference, it is read again before it is called damage.
 */
import { readBalances } from './balance-reading.ts';
import { readEntries } from './entry-reading.ts';
import { readEvents } from './event-reading.ts';
import type { Finding } from './finding.ts';
import { InFlight } from './in-flight.ts';
import type { Run } from './run.ts';
import { Totals } from './totals.ts';

/** So often it is read again, while nothing moves the watermark. */
const READINGS_MAX = 3;

/**
 * Compares the balances that events in flight touch, and reports those that are wrong. Sums by asset are taken again too.
 *
 * @returns balances that could not be compared, because their stream went on
 */
export async function compareInFlight(run: Run): Promise<number> {
  let findings = run.inFlight.compare();
  for (let reading = 1; findings.length > 0; reading += 1) {
    if (run.hasMovedTo(await run.watermarksNow())) return findings.length;
    if (reading === READINGS_MAX || isSame(findings, (findings = await compareAgain(run)))) break;
  }
  findings.forEach(run.report);
  return 0;
}

/** The same twice in a row: nothing is under way. */
function isSame(before: readonly Finding[], after: readonly Finding[]): boolean {
  const details = (findings: readonly Finding[]): string =>
    findings
      .map(({ detail }) => detail)
      .sort()
      .join('\n');
  return details(before) === details(after);
}

async function compareAgain(run: Run): Promise<Finding[]> {
  const inFlight = new InFlight();
  const totals = new Totals();
  run.totals = totals;
  const isSettled = (stream: string, sequence: bigint): boolean => run.isSettled(stream, sequence);
  await readEvents(run.ring, ({ stream, sequence, event, entries, dismissed }) => {
    if (event && !dismissed) totals.addEvent(event);
    if (sequence !== undefined && !isSettled(stream, sequence)) inFlight.addEvent(undefined, entries ?? []);
  });
  await readBalances(run.ring, ({ state }) => {
    if (state) totals.addBalance(state);
    if (state && (inFlight.has(state) || state.lastSequence > run.watermarkMax)) inFlight.addBalance(state);
  });
  await readEntries(run.ring, {
    isSettled,
    entry: () => undefined,
    end: (end) => {
      if (inFlight.has(end)) inFlight.addEnd(end);
    },
  });
  return inFlight.compare();
}
