/**
 * A worker in a process of its own that kills itself in the middle of a dismissal, at the place that its environment
 * names: before the logged batch, behind it, or behind the ledger entries, where only the decision is still to be kept.
 */
import { NativeConnection } from '@temporalio/worker';
import { workerActivities } from '../../src/cli/worker-activities.ts';
import { createPartitionWorker } from '../../src/cli/worker-host.ts';
import { connect, type LedgerOptions } from '../../src/ledger/connection.ts';
import { CassandraStorage } from '../../src/ledger/storage.ts';
import type { SettlementBatch, WriteEnding } from '../../src/settlement/port.ts';
import { Settler } from '../../src/settlement/settler.ts';
import type { LedgerEntry } from '../../src/domain/entries.ts';
import { UPDATES_IN_FLIGHT_MAX } from '../../src/workflows/contract.ts';
import { DYING, type DyingPlace } from './dying-place.ts';

const { address, taskQueue, partitions, place, database } = JSON.parse(process.env[DYING] ?? '') as {
  address: string;
  taskQueue: string;
  partitions: number;
  place: DyingPlace;
  database: LedgerOptions;
};

class DyingStorage extends CassandraStorage {
  override async writeBatch(batch: SettlementBatch): Promise<WriteEnding> {
    if (place === 'before the batch') process.kill(process.pid, 'SIGKILL');
    const ending = await super.writeBatch(batch);
    if (place === 'behind the batch') process.kill(process.pid, 'SIGKILL');
    return ending;
  }

  override async writeEntries(entries: readonly LedgerEntry[]): Promise<WriteEnding> {
    const ending = await super.writeEntries(entries);
    process.kill(process.pid, 'SIGKILL');
    return ending;
  }
}

const cassandra = await connect(database);
const storage = new DyingStorage(cassandra);
const settler = new Settler({ storage });
const worker = await createPartitionWorker({
  connection: await NativeConnection.connect({ address }),
  namespace: 'default',
  taskQueue,
  partitions,
  updatesInFlight: UPDATES_IN_FLIGHT_MAX,
  activities: workerActivities({ cassandra, storage, settler, attemptMs: 2_000 }),
});
process.stdout.write('runs\n');
await worker.run();
