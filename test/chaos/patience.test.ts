/** A wait that is in vain ends by its own bound or the run's, and says what it was for. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { silentProgress } from '../../src/stack/index.ts';
import { ChaosError, Patience } from './patience.ts';

const forever = (): Promise<never> => new Promise(() => undefined);

function patience(msMax: number, more: { signal?: AbortSignal; notes?: string[] } = {}): Patience {
  const { signal = new AbortController().signal, notes = [] } = more;
  return new Patience({
    msMax,
    signal,
    progress: { ...silentProgress, note: (text) => void notes.push(text) },
    told: () => 'watermark 17',
    tellEveryMs: 20,
  });
}

test('work that ends in time is what it is waited for', async () => {
  const run = patience(5_000);
  await expect(run.within('a number', 1_000, async () => 7)).resolves.toBe(7);
  await expect(run.within('a fault', 1_000, () => Promise.reject(new Error('broken')))).rejects.toThrow(
    'broken',
  );
  run.end();
});

test('a wait past its own bound fails by its name, and the run goes on', async () => {
  const run = patience(5_000);
  await expect(run.within('the moon', 30, forever)).rejects.toThrow(
    'waited 0 s in vain for the moon; watermark 17',
  );
  expect(run.signal.aborted).toBe(false);
  await expect(run.within('a number', 1_000, async () => 7)).resolves.toBe(7);
  run.end();
});

test("past the run's bound every wait fails with what was waited for, and none begins", async () => {
  const run = patience(60);
  const outer = run.within('a run', 5_000, () => run.within('the moon', 5_000, forever));
  await expect(outer).rejects.toThrow(
    /the run was not through after 0 s; it waited for the moon \(since 0 s\); watermark 17/,
  );
  expect(run.signal.reason).toBeInstanceOf(ChaosError);
  await expect(run.within('a number', 1_000, async () => 7)).rejects.toThrow('was not through');
  run.end();
});

test('an interruption ends every wait with its reason', async () => {
  const abort = new AbortController();
  const run = patience(5_000, { signal: abort.signal });
  const waiting = run.within('the moon', 5_000, forever);
  abort.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  run.end();
});

test('what is waited for is told regularly until the end', async () => {
  const notes: string[] = [];
  const run = patience(5_000, { notes });
  await expect(run.within('the moon', 70, forever)).rejects.toThrow('in vain');
  run.end();
  expect(notes[0]).toBe('0 s: waiting for the moon (since 0 s); watermark 17');
  const told = notes.length;
  await sleep(50);
  expect(notes).toHaveLength(told);
});
