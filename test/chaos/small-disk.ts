/**
 * A small disk of its own for the engine's outbox, so that it can be full: a tmpfs of a few MiB. Mounting one takes
 * rights that not every machine gives; where they are missing, `full-disk` faults are left out, and the report says so.
 */
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';

/** A mounted disk. */
export interface SmallDisk {
  readonly folder: string;
  /** Gives it back, with what is on it. */
  unmount(): Promise<void>;
}

const BLOCK = Buffer.alloc(64 * 1024, 1);

/** Mounts a disk; undefined where that is not permitted. */
export async function mountSmallDisk(folder: string, mib: number): Promise<SmallDisk | undefined> {
  mkdirSync(folder, { recursive: true });
  const args = ['-t', 'tmpfs', '-o', `size=${mib}m,mode=0777`, 'settled-chaos', folder];
  const { failed } = await execa('mount', args, { reject: false });
  if (failed) return undefined;
  return {
    folder,
    unmount: async () => {
      await execa('umount', ['--lazy', folder]);
    },
  };
}

/** Takes all the room that is left; what it returns gives it back. */
export function fillDisk(disk: SmallDisk): () => void {
  const path = join(disk.folder, 'ballast');
  const file = openSync(path, 'w');
  try {
    // The last bytes too, in ever smaller pieces.
    for (let bytes = BLOCK.length; bytes >= 1;) {
      try {
        writeSync(file, BLOCK, 0, bytes);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        bytes = Math.floor(bytes / 2);
      }
    }
  } finally {
    closeSync(file);
  }
  return () => rmSync(path, { force: true });
}
