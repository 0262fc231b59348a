/** What a database that is away for a moment makes fail is repeated; what stops the stream is not. */
import { expect, test } from 'vitest';
import { repeat } from '../../src/ingest/repeat.ts';
import { StreamStopped } from '../../src/ingest/stop.ts';
import { stopOf } from './events.ts';

test('an action is repeated until it succeeds, and each failure is told', async () => {
  let failures = 2;
  const told: string[] = [];
  const result = await repeat(
    () => (failures-- > 0 ? Promise.reject(new Error('away')) : Promise.resolve('read')),
    {
      isOver: () => false,
      onRetry: (error) => told.push(String(error)),
    },
  );
  expect([result, told]).toEqual(['read', ['Error: away', 'Error: away']]);
});

test('what stops the stream is let out at once', async () => {
  const stopped = new StreamStopped({ reason: 'hole', sequence: '2', message: 'missing' });
  const never = { isOver: () => false, onRetry: () => expect.unreachable() };
  expect(await stopOf(() => repeat(() => Promise.reject(stopped), never))).toMatchObject({ reason: 'hole' });
});

test('a failure is let out once it is over', async () => {
  const over = { isOver: () => true, onRetry: () => expect.unreachable() };
  await expect(repeat(() => Promise.reject(new Error('away')), over)).rejects.toThrow('away');
});
