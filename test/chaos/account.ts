/** What each part of a scene was at: told where a run fails, since then its logs may be out of reach. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scene } from './scene.ts';

const LOG_LINES = 6;
const LINE_CHARACTERS_MAX = 400;

/** How far the scene is, in a line. */
export function inALine({ watch, progress }: Scene): string {
  const nowMs = performance.now();
  const ago = (ms: number): string => `${((nowMs - ms) / 1000).toFixed(1)} s ago`;
  const said = progress
    ? `${progress.said.inFlight} in flight, as the ingest said ${ago(progress.atMs)}`
    : 'the ingest has said nothing';
  return `watermark ${watch.reached}, moved last ${ago(watch.movedAtMs)}, ${said}`;
}

/** All of it: processes with the ends of their logs, links, servers. */
export function accountOf(scene: Scene): string[] {
  const { engine, ingest, workers, servers, proxies, progress } = scene;
  const lines = [inALine(scene)];
  if (progress) lines.push(`the ingest: ${JSON.stringify(progress.said).slice(0, 4 * LINE_CHARACTERS_MAX)}`);
  for (const [link, [proxy]] of proxies)
    lines.push(`link ${link}: ${proxy!.weather.kind}, ${JSON.stringify(proxy!.counts)}`);
  for (const one of [engine, ingest, ...workers])
    if (one !== undefined) lines.push(`${one.name}: ${one.state}`, ...indented(one.logTail));
  for (const server of [servers.temporal, ...servers.cassandra]) lines.push(server.state);
  for (const folder of servers.logFolders)
    for (const file of filesOf(folder)) lines.push(`${file}:`, ...indented(textOf(join(folder, file))));
  return lines;
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return String(error); // A server that starts renames its logs.
  }
}

function indented(text: string): string[] {
  const lines = text.trimEnd().split('\n').slice(-LOG_LINES);
  return lines.map((line) => `  | ${line.slice(0, LINE_CHARACTERS_MAX)}`);
}
