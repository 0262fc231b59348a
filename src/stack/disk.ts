/**
 * Room on a disk, asked for before something big is begun, and the same words when the disk fills all the same.
 */
import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { reasonOf } from '../logging/reason-of.ts';
import { DiskFullError } from './errors.ts';

const MIB = 1024 * 1024;

/** What building both servers needs while it goes on. */
export const BUILD_BYTES = 2_000 * MIB;
/** What fetching Cassandra's files needs. */
export const JARS_BYTES = 300 * MIB;
/** What the servers' data and logs need to begin with. */
export const DATA_BYTES = 500 * MIB;

/**
 * @param path where something will be written; it need not exist yet
 * @param variable the setting that moves it
 * @throws {DiskFullError} when there is less room than needed
 */
export function requireSpace(path: string, neededBytes: number, variable: string): void {
  let place = path;
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  const { bavail, bsize } = statfsSync(place);
  if (bavail * bsize < neededBytes) throw new DiskFullError(path, bavail * bsize, neededBytes, variable);
}

/** Whether an error, or what a program printed, says that a disk is full. */
export const saysDiskFull = (reason: unknown): boolean =>
  (reason as NodeJS.ErrnoException | undefined)?.code === 'ENOSPC' ||
  /ENOSPC|no space left on device/i.test(reasonOf(reason));
