/** The line that says how far something long has come. */
import { expect, test } from 'vitest';
import { LiveLine } from '../../src/logging/live-line.ts';

function lineUnderTest(isTTY: boolean) {
  const written: string[] = [];
  let nowMs = 1_000;
  const stream = { isTTY, write: (text: string) => written.push(text) > 0 };
  const line = new LiveLine({ everyMs: 100, stream, nowMs: () => nowMs });
  return { line, written, pass: (ms: number) => (nowMs += ms) };
}

test('is written over now and then, and taken away in the end', () => {
  const { line, written, pass } = lineUnderTest(true);
  line.show(() => 'one');
  pass(99);
  line.show(() => 'two');
  pass(1);
  line.show(() => 'three');
  line.end();
  expect(written).toEqual(['\r\u001B[Kone', '\r\u001B[Kthree', '\r\u001B[K']);
});

test('is not there in a pipe, nor is its text asked for', () => {
  const { line, written } = lineUnderTest(false);
  line.show(() => {
    throw new Error('asked for');
  });
  line.end();
  expect(written).toEqual([]);
});
