/** Whoever connects again and again does not fill the log. */
import { expect, test } from 'vitest';
import { connectionLog } from '../../src/ingest/connection-log.ts';
import { createLogger } from '../../src/logging/index.ts';

test('connections that are opened again and again are told of a few times, each kind of change by itself', () => {
  const lines: string[] = [];
  const log = createLogger(
    { level: 'info', pretty: 'false' },
    { part: 'ingest' },
    { write: (line: string) => void lines.push(line) },
  );
  const told = connectionLog({ log, bind: true });
  for (let count = 0; count < 500; count += 1) told('opened', '127.0.0.1');
  told('closed', '127.0.0.1');
  const said = (text: string) => lines.filter((line) => line.includes(text)).length;
  expect(said('connection opened')).toBe(10);
  expect(said('connection closed')).toBe(1);
});
