/** What `settled status` takes for something that needs a person. */
import { expect, test } from 'vitest';
import { needsAPerson, type StreamStatus } from '../../src/cli/stream-status.ts';

const FED: StreamStatus = {
  stream: 'main',
  dialect: 'numbered',
  partitions: 8,
  watermark: '7',
  lag: '3',
  ingest: { lease: '2', holder: 'host pid 1', held: true, renewedMsAgo: 100, alive: true },
  halted: [],
  unanswered: 0,
  quarantined: [],
};
const LEFT = { ...FED.ingest!, held: false, alive: false };

test.each([
  ['a stream that is fed', FED, false],
  ['one that nobody feeds, with nothing in it', { ...FED, lag: '0', ingest: LEFT }, false],
  ['one that nobody feeds, with events in it', { ...FED, ingest: LEFT }, true],
  ['one whose ingest is gone', { ...FED, lag: '0', ingest: { ...FED.ingest!, alive: false } }, true],
  ['one that stopped', { ...FED, stopped: { reason: 'hole' } }, true],
  ['one that came to its end, without a worker', { ...FED, lag: '0', ingest: LEFT, unanswered: 8 }, false],
  ['one with a partition that does not answer', { ...FED, unanswered: 1 }, true],
  ['one with a halted partition', { ...FED, halted: [{ partition: 3, next: [] }] }, true],
] satisfies [string, StreamStatus, boolean][])('%s', (_what, status, needsOne) => {
  expect(needsAPerson(status)).toBe(needsOne);
});
