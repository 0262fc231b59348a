/** The settler's options out of the configuration, and those of the storage under it. */
import type { Config } from '../config/index.ts';
import { consistencyOf, readConsistencyOf } from '../ledger/connection.ts';
import type { StorageOptions } from '../ledger/storage.ts';
import type { SettlerLimits } from '../settlement/limits.ts';
import { ledgerOptions } from './ledger-options.ts';

/** The limits of a worker's settler that are configured. */
export function settlerLimits({ settlement }: Config): Partial<SettlerLimits> {
  const { groupEventsMax, groupBytesMax, batchesInFlightMax, doubtMs, writeRetryMsMax } = settlement;
  return { groupEventsMax, groupBytesMax, batchesInFlightMax, doubtMs, writeMsMax: writeRetryMsMax };
}

/** The configured consistency of a storage's reads and writes. */
export function storageConsistency(config: Config): StorageOptions {
  const options = ledgerOptions(config);
  return { readConsistency: readConsistencyOf(options), writeConsistency: consistencyOf(options) };
}

/** The options of a worker's storage. */
export function workerStorageOptions(config: Config): StorageOptions {
  return { ...storageConsistency(config), readsInFlightMax: config.settlement.readsInFlightMax };
}
