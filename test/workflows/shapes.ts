/**
 * The shapes of history that a partition produces, each made on a real server (I9). scripts/record-histories.ts commits
 * them; replay.test.ts makes them anew and replays both. A shape that the workflow has ever produced stays here.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { StorageUnavailableError } from '../../src/settlement/settle-request.ts';
import { all, behind, conflict, doubt, SETTLED, settledBelow, startPartition } from './support.ts';
import type { History, PartitionUnderTest } from './support.ts';

/** Makes a shape: the partition, ready to be asked for its runs' histories. */
export type Shape = () => Promise<PartitionUnderTest>;

/** Each shape by its name. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  async plain() {
    const partition = await startPartition();
    await partition.send(partition.chunk(1, 3));
    await Promise.all([partition.send(partition.chunk(4, 4)), partition.send(partition.chunk(5, 6))]);
    return partition;
  },

  async 'behind-then-settled'() {
    const partition = await startPartition((request, call) =>
      call < 4 ? settledBelow(request, BigInt(call), behind()) : all(request, SETTLED),
    );
    await partition.send(partition.chunk(1, 4));
    return partition;
  },

  async 'behind-to-the-bound'() {
    const partition = await startPartition((request) => all(request, behind()), { attemptsMax: 2 });
    await partition.send(partition.chunk(1, 2));
    return partition;
  },

  async halted() {
    const partition = await startPartition(
      (request) => all(request, request.events[0]?.event.sequence === 1n ? behind() : conflict('gap')),
      { waitMsFirst: 2_000, waitMsMax: 2_000 },
    );
    const waiting = partition.send(partition.chunk(1, 1));
    while (partition.settler.requests.length === 0) await delay(10);
    await delay(100);
    await Promise.all([waiting, partition.send(partition.chunk(2, 2))]);
    await partition.send(partition.chunk(3, 3)).catch(() => {});
    return partition;
  },

  async resumed() {
    const partition = await startPartition((request, call) =>
      all(request, call === 1 ? conflict('gap') : SETTLED),
    );
    await partition.send(partition.chunk(1, 2));
    await partition.resume();
    await partition.send(partition.chunk(1, 2, { try: 2 }));
    return partition;
  },

  async doubt() {
    const partition = await startPartition((request, call) =>
      all(request, call === 1 ? doubt(7) : call === 2 ? conflict('doubt') : SETTLED),
    );
    await partition.send(partition.chunk(1, 2));
    await partition.send(partition.chunk(1, 2, { try: 2 }));
    return partition;
  },

  async unavailable() {
    const partition = await startPartition(
      () => {
        throw new StorageUnavailableError('no quorum', new Error('2 of 3 are down'));
      },
      { updateMsMax: 700, activityMsMax: 700 },
    );
    await partition.send(partition.chunk(1, 2));
    return partition;
  },

  async 'bad-chunk'() {
    const partition = await startPartition();
    const chunk = partition.chunk(1, 1);
    const ledgerEvents = { ...chunk.ledgerEvents, rows: ['1 gift'] };
    await partition.send({ ...chunk, ledgerEvents }).catch(() => {});
    await partition.send(partition.chunk(1, 1, { try: 2 }));
    return partition;
  },

  async 'newer-lease'() {
    const partition = await startPartition(
      (request) => all(request, request.events[0]?.event.sequence === 1n ? behind() : SETTLED),
      { waitMsFirst: 2_000, waitMsMax: 2_000 },
    );
    const old = partition.send(partition.chunk(1, 1));
    while (partition.settler.requests.length === 0) await delay(10);
    await delay(100);
    await Promise.all([old, partition.send(partition.chunk(2, 2, { lease: '2' }))]);
    return partition;
  },

  async 'continued-as-new'() {
    const partition = await startPartition(
      (request, call) => all(request, call === 2 ? doubt(7) : call === 3 ? conflict('gap') : SETTLED),
      { updatesPerRunMax: 3, attemptsMax: 1 },
    );
    for (const at of [1, 2, 3]) await partition.send(partition.chunk(at, at));
    while ((await partition.runs()).length < 2) await delay(20);
    await partition.resume();
    await partition.sendUntilAnswered(partition.chunk(2, 4));
    return partition;
  },

  async retried() {
    const partition = await startPartition((request, call) =>
      all(request, call === 1 ? conflict('gap') : SETTLED),
    );
    await partition.send(partition.chunk(1, 2));
    await partition.decide('retry', '2').catch(() => {});
    await partition.decide('retry', '1');
    await partition.send(partition.chunk(1, 2, { try: 2 }));
    await partition.decide('resume');
    return partition;
  },

  async dismissed() {
    const partition = await startPartition((request) =>
      request.events.map(({ event }) => (event.sequence === 1n ? conflict('negative-balance') : SETTLED)),
    );
    await partition.send(partition.chunk(1, 2));
    await partition.decide('dismiss', '1');
    await partition.send(partition.chunk(1, 1, { try: 2 }));
    await partition.send(partition.chunk(1, 3, { try: 3 }));
    return partition;
  },

  async 'dismissal-begun'() {
    const partition = await startPartition((request) => all(request, conflict('negative-balance')), {
      activityMsMax: 700,
    });
    await partition.send(partition.chunk(1, 1));
    partition.decideEnding = 'never';
    await partition.decide('dismiss', '1');
    await partition.decide('retry', '1');
    partition.decideEnding = 'done';
    await partition.decide('dismiss', '1');
    await partition.send(partition.chunk(1, 1, { try: 2 }));
    return partition;
  },

  async 'dismissal-refused'() {
    const activityMsMax = 700;
    const partition = await startPartition((request) => all(request, conflict('negative-balance')), {
      activityMsMax,
    });
    await partition.send(partition.chunk(1, 1));
    partition.decideEnding = 'never';
    await partition.decide('dismiss', '1');
    await delay(activityMsMax);
    partition.decideEnding = 'refused';
    await partition.decide('dismiss', '1');
    partition.decideEnding = 'done';
    await partition.decide('retry', '1');
    await partition.send(partition.chunk(1, 1, { try: 2 }));
    return partition;
  },

  async 'dismissed-and-continued'() {
    const partition = await startPartition(
      (request) => request.events.map(({ event }) => (event.sequence === 1n ? conflict('gap') : SETTLED)),
      { updatesPerRunMax: 2 },
    );
    await partition.send(partition.chunk(1, 1));
    await partition.decide('dismiss', '1');
    while ((await partition.runs()).length < 2) await delay(20);
    await partition.sendUntilAnswered(partition.chunk(1, 2));
    return partition;
  },

  async cancelled() {
    const partition = await startPartition((request) => all(request, behind()), {
      waitMsFirst: 2_000,
      waitMsMax: 2_000,
    });
    const sent = partition.send(partition.chunk(1, 1));
    while (partition.settler.requests.length === 0) await delay(10);
    await delay(100);
    await partition.handle.cancel();
    await sent;
    await partition.handle.result().catch(() => {});
    return partition;
  },
};

/** A recorded history: of one run of a shape, by whose name its file goes. A partition of several runs yields one each. */
export interface Recorded {
  /** "plain", or "continued-as-new.2" for the second run. */
  readonly name: string;
  readonly workflowId: string;
  readonly history: History;
}

/** Makes a shape and takes the histories of its runs. */
export async function record(shape: string): Promise<Recorded[]> {
  const partition = await SHAPES[shape]?.();
  if (!partition) throw new Error(`there is no shape "${shape}"`);
  try {
    const runs = await partition.runs();
    const histories = await Promise.all(runs.map((run) => partition.history(run)));
    return histories.map((history, at) => ({
      name: runs.length === 1 ? shape : `${shape}.${at + 1}`,
      workflowId: partition.workflowId,
      history,
    }));
  } finally {
    await partition.stop();
  }
}
