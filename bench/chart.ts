/**
 * The benchmark as a picture: a bar for each contender with the spread of its rounds, and below it what it was measured
 * on. Plain SVG that follows the reader's light or dark scheme.
 */
import type { BenchReport, ContenderReport } from './report.ts';
import { describeMachine } from './machine.ts';
import { grouped, titleOf } from './table.ts';

const WIDTH = 860;
const LABEL_WIDTH = 290;
const VALUE_WIDTH = 150;
const BAR_HEIGHT = 22;
const ROW_HEIGHT = 36;
const TOP = 64;

const STYLE = `
  text { font: 14px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; }
  .note { font-size: 12px; fill: #59636e; }
  .other { fill: #9aa4af; }
  .own { fill: #2f6fde; }
  .spread { stroke: #1f2328; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note { fill: #9198a1; }
    .other { fill: #6e7681; }
    .own { fill: #4c8dff; }
    .spread { stroke: #e6edf3; }
  }`;

/** A bar to draw. */
interface Bar {
  readonly title: string;
  readonly isOwn: boolean;
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

/** Draws the report. Contenders without figures are left out. */
export function chartOf(report: BenchReport): string {
  const bars = Object.entries(report.contenders).flatMap(([name, one]) =>
    barOf(name, titleOf(name, report), one),
  );
  const highest = Math.max(1, ...bars.map(({ max }) => max));
  const scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / highest;
  const height = TOP + bars.length * ROW_HEIGHT + 48;
  const parts = bars.map((bar, row) => drawn(bar, TOP + row * ROW_HEIGHT, scale));
  const origin = `commit ${report.commit || 'unknown'}, ${report.date.slice(0, 10)}: ${describeMachine(report)}, servers and sender included`;
  const how = `median of ${report.rounds} rounds, line: lowest to highest`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>Trades settled a second</title>`,
    `<style>${STYLE}\n</style>`,
    `<text class="title" x="0" y="24">Trades settled a second</text>`,
    `<text class="note" x="0" y="44">${escaped(how)}</text>`,
    ...parts,
    `<text class="note" x="0" y="${height - 16}">${escaped(origin)}</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function barOf(name: string, title: string, one: ContenderReport): Bar[] {
  if (one.tradesPerSecond === null || one.min === null || one.max === null) return [];
  return [
    { title, isOwn: name.startsWith('product'), value: one.tradesPerSecond, min: one.min, max: one.max },
  ];
}

function drawn({ title, isOwn, value, min, max }: Bar, top: number, scale: number): string {
  const at = (rate: number): string => (LABEL_WIDTH + rate * scale).toFixed(1);
  const middle = top + BAR_HEIGHT / 2;
  const width = Math.max(1, value * scale).toFixed(1);
  return [
    `<text x="${LABEL_WIDTH - 10}" y="${middle + 5}" text-anchor="end">${escaped(title)}</text>`,
    `<rect class="${isOwn ? 'own' : 'other'}" x="${LABEL_WIDTH}" y="${top}" width="${width}" height="${BAR_HEIGHT}" rx="2"/>`,
    `<line class="spread" x1="${at(min)}" x2="${at(max)}" y1="${middle}" y2="${middle}"/>`,
    `<text x="${(LABEL_WIDTH + max * scale + 8).toFixed(1)}" y="${middle + 5}">${grouped(value)}</text>`,
  ].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
