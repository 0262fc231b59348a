/**
 * What people read in Temporal's UI about a partition: summaries of attempts and waits, and the current details. Each
 * summary is cut to a length that the server accepts, since a longer one would fail the workflow task for ever.
 */
import type { Chunk, Halt, PartitionStatus, WaitingReport } from './contract.ts';
import { sizeOf } from './chunk-rows.ts';

/** Longest summary, characters. The server takes 400 bytes. */
const SUMMARY_CHARACTERS_MAX = 180;

/** "101–600, 500 events, attempt 1": one attempt at a chunk. */
export function attemptSummary(chunk: Chunk, attempt: number): string {
  const events = sizeOf(chunk);
  const range = chunk.first === chunk.last ? chunk.first : `${chunk.first}–${chunk.last}`;
  return shortened(`${range}, ${events} event${events === 1 ? '' : 's'}, attempt ${attempt}`);
}

/** "waiting for 1001/2 v31, found v30 — trade 7 (sequence 12), attempt 3": why a timer runs. */
export function waitSummary(waiting: readonly WaitingReport[], remaining: number, attempt: number): string {
  const [first] = waiting;
  if (!first) return `waiting with ${remaining} events, attempt ${attempt}`;
  return shortened(`${waitingText(first)}, attempt ${attempt}`);
}

/** Markdown about the partition as it is now. It names the partition: static summaries do not outlive a run. */
export function detailsText(status: PartitionStatus): string {
  const lines = [
    `partition ${status.partition} of ${status.stream}`,
    `**${status.settledTotal}** events settled, lease ${status.lease}`,
  ];
  if (status.halt) lines.push(haltText(status.halt));
  if (status.unfinished > 0) lines.push(`${status.unfinished} chunks under way`);
  for (const waiting of status.waiting) lines.push(waitingText(waiting));
  return lines.map((line) => `- ${line}`).join('\n');
}

/** One sentence about a halt. */
export function haltText({ conflict, since }: Halt): string {
  const { event, sequence, reason, user, asset, expected, found } = conflict;
  return `**Halted** since ${since}: ${event} (sequence ${sequence}) conflicts (${reason}) on ${user}/${asset}: expected ${expected}, found ${found}`;
}

function waitingText(waiting: WaitingReport): string {
  const { event, sequence, state, user, asset, expected, found } = waiting;
  const verb = state === 'behind' ? 'waiting for' : 'in doubt about';
  return `${verb} ${user}/${asset} v${expected}, found v${found} — ${event} (sequence ${sequence})`;
}

function shortened(text: string): string {
  return text.length <= SUMMARY_CHARACTERS_MAX ? text : `${text.slice(0, SUMMARY_CHARACTERS_MAX - 1)}…`;
}
