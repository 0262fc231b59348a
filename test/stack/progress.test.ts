import type { WriteStream } from 'node:tty';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { lineProgress, terminalProgress } from '../../src/stack/progress.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('progress in a pipe', () => {
  test('is one line a step, with its seconds; slow steps are announced', () => {
    const lines: string[] = [];
    const progress = lineProgress((line) => void lines.push(line));
    const quick = progress.step('Cassandra');
    quick.update('starting');
    progress.step('Temporal: building', { slow: true }).done('built');
    quick.fail('failed');
    progress.note('waiting');
    expect(lines).toEqual([
      'Temporal: building …',
      expect.stringMatching(/^Temporal: building: built \(\d+\.\d s\)$/),
      expect.stringMatching(/^Cassandra: failed \(\d+\.\d s\)$/),
      'waiting',
    ]);
  });
});

describe('progress on a terminal', () => {
  test('shows what is under way on one live line, and leaves whole lines behind', () => {
    let screen = '';
    const terminal = {
      columns: 60,
      write: (text: string) => void (screen += text),
    } as unknown as WriteStream;
    const progress = terminalProgress(terminal);
    const steps = [progress.step('Temporal'), progress.step('Cassandra')];
    steps[1]?.update('starting');
    vi.advanceTimersByTime(250);
    expect(screen).toMatch(/Temporal [\d.]+ s · Cassandra: starting [\d.]+ s/);
    steps[0]?.done('up');
    steps[1]?.done('up');
    const painted = screen.length;
    vi.advanceTimersByTime(1_000);
    expect(screen).toHaveLength(painted);
    expect(screen).toMatch(/✓ Temporal: up \([\d.]+ s\)\n[^]*✓ Cassandra: up \([\d.]+ s\)\n$/);
  });
});
