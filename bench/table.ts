/** The report as a table for people. */
import type { ContenderName } from './contender.ts';
import type { BenchReport, ContenderReport, HistoryReport } from './report.ts';
import { describeMachine } from './machine.ts';

/** What a contender is called in tables and charts. */
export function titleOf(name: string, { users, manyUsers }: BenchReport): string {
  const titles: Readonly<Record<ContenderName, string>> = {
    classicLoop: 'classic loop: check, 4 reads, 1 batch',
    workflowPerTrade: 'a workflow per trade',
    writeCeiling: 'write ceiling: ready-made rows',
    settler: 'settler alone',
    product: `settled, ${grouped(users)} users`,
    productManyUsers: `settled, ${grouped(manyUsers)} users`,
    productSkewed: 'settled, skewed, 5 market makers',
    productHot: 'settled, 1 account in every trade',
  };
  return titles[name as ContenderName];
}

/** 12345 as "12 345". */
export function grouped(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, ' ');
}

/** Lines for people. */
export function describeReport(report: BenchReport): string {
  const rows = Object.entries(report.contenders).map(([name, one]) =>
    contenderRow(titleOf(name, report), one),
  );
  const lines = [
    `commit ${report.commit || 'unknown'}, ${report.date.slice(0, 10)}, ${describeMachine(report)}; ${report.rounds} rounds, ${report.mode}`,
    '',
    ...aligned([['', 'trades/s', 'min … max', 'CPU s a million trades', 'verified'], ...rows]),
    '',
    ...Object.entries(report.ratios).map(
      ([name, ratio]) => `${name.padEnd(26)} ${ratio ?? '–'}${spread(report.ratiosByRound, name)}`,
    ),
  ];
  const { history, latencyMs, memoryMiB } = report;
  if ('eventsPerTrade' in history) lines.push(historyLine(history as HistoryReport));
  if (memoryMiB.worker !== undefined)
    lines.push(
      `memory at full load        worker ${memoryMiB.worker} MiB, ingest ${memoryMiB.ingest ?? '?'} MiB`,
    );
  for (const [name, figure] of Object.entries(latencyMs))
    lines.push(`latency ${name.padEnd(18)} p50 ${figure.p50} ms, p99 ${figure.p99} ms`);
  for (const [name, { calibration }] of Object.entries(report.contenders)) {
    if (!calibration) continue;
    lines.push('', `${name}, tried:`);
    for (const one of calibration.tried) lines.push(`  ${JSON.stringify(one)}`);
    lines.push(`  best: ${JSON.stringify(calibration.best)}`);
  }
  return lines.join('\n');
}

function contenderRow(title: string, one: ContenderReport): string[] {
  const cpu = Object.entries(one.cpuSecondsPerMillionTrades).map(
    ([process, seconds]) => `${process} ${seconds}`,
  );
  if (one.tradesPerSecond === null)
    return [title, '–', '', '', `NO: ${one.verification.detail.split('\n')[0]}`];
  return [
    title,
    String(Math.round(one.tradesPerSecond)),
    `${Math.round(one.min ?? 0)} … ${Math.round(one.max ?? 0)}`,
    cpu.join(', '),
    one.verification.how,
  ];
}

function historyLine({ eventsPerTrade, bytesPerEventByte }: HistoryReport): string {
  return `history                    ${eventsPerTrade} events a trade, ${bytesPerEventByte} bytes a byte of payload`;
}

function spread(byRound: BenchReport['ratiosByRound'], name: string): string {
  const each = byRound[name as keyof typeof byRound];
  return each && each.length > 1 ? ` (${Math.min(...each)} … ${Math.max(...each)})` : '';
}

/** Columns of equal width; the last one is left as it is. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
