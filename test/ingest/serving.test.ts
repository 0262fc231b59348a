/** An ingest's process whose stream cannot be opened at the first try: what passes is tried again, what does not ends it. */
import { errors as driverErrors } from 'cassandra-driver';
import { describe, expect, test } from 'vitest';
import type { LeaseEnding } from '../../src/ingest/lease.ts';
import { ClosedStreamError, LeaseBehindError, UnfinishedStreamError } from '../../src/ingest/opening.ts';
import type { IngestEnding } from '../../src/ingest/progress.ts';
import { serveStream, type ServedLease, type ServingOptions } from '../../src/ingest/serving.ts';
import { EndpointError } from '../../src/ingest/sockets.ts';
import { StreamMismatchError } from '../../src/ledger/streams.ts';
import type { Logger } from '../../src/logging/index.ts';

const CLOSED = { kind: 'closed', unsettled: 0 } as IngestEnding;
const away = (): Error => new driverErrors.NoHostAvailableError({}, 'no host answers');

/** A lease that a test ends. */
class Lease implements ServedLease {
  readonly number: bigint;
  held = true;
  released = 0;
  end!: (ending: LeaseEnding) => void;
  readonly ended = new Promise<LeaseEnding>((resolve) => {
    this.end = (ending) => {
      this.held = false;
      resolve(ending);
    };
  });

  constructor(number: bigint) {
    this.number = number;
  }

  isHeld = (): boolean => this.held;
  release = (): Promise<void> => {
    this.released += 1;
    return Promise.resolve();
  };
}

/** Serves with an opening of the test's. */
function served(
  open: (lease: Lease, attempt: number) => Promise<string>,
  more: Partial<ServingOptions<string>> = {},
) {
  const leases: Lease[] = [];
  const told: string[] = [];
  const level = (fields: { problem?: string }, message: string): void =>
    void told.push(`${message}: ${fields.problem}`);
  let attempt = 0;
  const serving = serveStream<string>({
    log: { warn: level, error: level } as unknown as Logger,
    signal: new AbortController().signal,
    standBy: true,
    openMsMax: 60_000,
    givenUpMs: 1,
    takeLease: () => {
      const lease = new Lease(BigInt(leases.length + 1));
      leases.push(lease);
      return Promise.resolve(lease);
    },
    open: (lease) => open(lease as Lease, (attempt += 1)),
    run: () => Promise.resolve(CLOSED),
    ...more,
  });
  return { leases, told, serving };
}

describe('an ingest whose lease is older than what others have heard of', () => {
  const behind = (heard: string): IngestEnding =>
    ({
      kind: 'stopped',
      unsettled: 0,
      stop: { reason: 'lease-behind', sequence: '1', message: '', heard },
    }) as IngestEnding;

  test.each([true, false])('takes one above it, whether it may stand by or not: %s', async (standBy) => {
    const asked: bigint[] = [];
    const endings = [behind('7'), behind('5'), CLOSED];
    const { serving } = served(
      (lease) =>
        lease.number === 1n ? Promise.reject(new LeaseBehindError(1n, 3n)) : Promise.resolve('open'),
      {
        standBy,
        takeLease: (above) => {
          asked.push(above);
          return Promise.resolve(new Lease(BigInt(asked.length)));
        },
        run: () => Promise.resolve(endings.shift()!),
      },
    );
    expect(await serving).toEqual({ kind: 'ended', ending: CLOSED });
    expect(asked).toEqual([0n, 3n, 7n, 7n]);
  });

  test('ends all the same when it is told to', async () => {
    const abort = new AbortController();
    const { serving } = served(() => Promise.resolve('open'), {
      signal: abort.signal,
      run: () => {
        abort.abort();
        return Promise.resolve(behind('7'));
      },
    });
    expect(await serving).toEqual({ kind: 'ended', ending: behind('7') });
  });
});

describe('a stream that cannot be opened', () => {
  test('since the database is away for a moment is tried again under the same lease, and that is said', async () => {
    const { leases, told, serving } = served((_, attempt) =>
      attempt < 3 ? Promise.reject(away()) : Promise.resolve('open'),
    );
    expect(await serving).toEqual({ kind: 'ended', ending: CLOSED });
    expect(leases.map(({ released }) => released)).toEqual([1]);
    expect(told).toHaveLength(2);
    expect(told[0]).toContain('trying again: NoHostAvailableError: no host answers');
  });

  test('for as long as the lease is good is left to others, who are let first', async () => {
    const { leases, told, serving } = served(
      (lease) => (lease.number < 3n ? Promise.reject(away()) : Promise.resolve('open')),
      { openMsMax: 100 },
    );
    expect(await serving).toEqual({ kind: 'ended', ending: CLOSED });
    expect(leases.map(({ released }) => released)).toEqual([1, 1, 1]);
    expect(told.filter((line) => line.includes('the lease is given up'))).toHaveLength(2);
  });

  test('before the lease is lost is stood by for again', async () => {
    const { leases, serving } = served((lease) => {
      if (lease.number > 1n) return Promise.resolve('open');
      lease.end({ kind: 'lost' });
      return Promise.reject(away());
    });
    expect(await serving).toEqual({ kind: 'ended', ending: CLOSED });
    expect(leases).toHaveLength(2);
  });

  test('ends it where it may not stand by: by the error, or by the lease', async () => {
    const { serving } = served(() => Promise.reject(away()), { standBy: false, openMsMax: 100 });
    await expect(serving).rejects.toThrow('no host answers');
    const lost = served(
      (lease) => {
        lease.end({ kind: 'expired', problem: 'too late' });
        return Promise.reject(away());
      },
      { standBy: false },
    );
    expect(await lost.serving).toMatchObject({
      kind: 'lease-ended',
      message: expect.stringContaining('lease 1 could not be renewed in time (too late)'),
    });
  });

  test.each([
    new StreamMismatchError('other partitions'),
    new UnfinishedStreamError('something may still be settled'),
    new ClosedStreamError('something is lost'),
    new EndpointError('cannot bind'),
    new driverErrors.ResponseError(0x2200, 'unconfigured table'),
    new TypeError('a fault of ours'),
  ])('for what a person must settle ends it by name: $name', async (fault) => {
    const { leases, told, serving } = served(() => Promise.reject(fault));
    await expect(serving).rejects.toBe(fault);
    expect(leases.map(({ released }) => released)).toEqual([1]);
    expect(told).toEqual([]);
  });

  test('is not tried again once the process is to end', async () => {
    const abort = new AbortController();
    const { serving } = served(
      () => {
        abort.abort();
        return Promise.reject(away());
      },
      { signal: abort.signal },
    );
    expect(await serving).toEqual({ kind: 'interrupted' });
  });
});
