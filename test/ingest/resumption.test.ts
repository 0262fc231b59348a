/** The rules by which an ingest asks for what is missing, on a clock of the test's own. */
import { describe, expect, it } from 'vitest';
import { Resumption } from '../../src/ingest/resumption.ts';
import { StreamStopped } from '../../src/ingest/stop.ts';
import type { Logger } from '../../src/logging/index.ts';

const LIMITS = { pauseMsFirst: 200, pauseMsMax: 5_000, roundsMax: 3, quietMsMax: 5_000 };

/** An ingest that has received up to 10, and an engine that never sends 11. */
function atAHole() {
  const time = { nowMs: 0 };
  const asked: bigint[] = [];
  const silent = (): undefined => undefined;
  const resumption = new Resumption({
    log: { info: silent, warn: silent } as unknown as Logger,
    limits: LIMITS,
    received: () => 10n,
    ask: (from) => {
      asked.push(from);
    },
    nowMs: () => time.nowMs,
  });
  resumption.compared();
  /** The engine goes back and sends 10 and what follows 11. */
  const goBack = (): void => {
    resumption.seen(10n);
    for (let sequence = 12n; sequence < 40n; sequence += 1n) {
      resumption.seen(sequence);
      resumption.ahead(11n, sequence, `deposit (sequence ${sequence})`);
    }
  };
  return { resumption, asked, time, goBack };
}

describe('a hole', () => {
  it('is one round of asking, however many messages follow it', () => {
    const { goBack, asked } = atAHole();
    goBack();
    // Within the pause nothing more is asked, and all that comes behind the hole belongs to the same round.
    goBack();
    goBack();
    expect(asked).toEqual([10n]);
  });

  it('that is there again each time the engine was asked and has gone back stops the stream by name', () => {
    const { goBack, asked, time } = atAHole();
    const rounds = (): void => {
      for (let round = 0; round < 10; round += 1) {
        goBack();
        time.nowMs += LIMITS.pauseMsMax;
      }
    };
    expect(rounds).toThrow(StreamStopped);
    expect(asked.length).toBe(LIMITS.roundsMax);
  });
});
