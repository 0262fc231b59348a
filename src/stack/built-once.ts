/**
 * Things built once a machine and shared by all checkouts, in the user's cache. A thing is there whole or not at all:
 * it is built beside its place and renamed into it. Of two processes that want it one builds and the other waits and
 * says so; a build that was interrupted leaves nothing that a later one would trust.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { withLock } from './lock.ts';
import type { ProcessIdentity } from './process-identity.ts';

/** No build takes this long; what has not been touched since is a leftover. */
const LEFTOVER_MS = 60 * 60 * 1000;

/** Something to be had from the cache, or built into it. */
export interface BuildOnce {
  readonly cacheDir: string;
  /** A folder's name in the cache, such as `temporal`. */
  readonly name: string;
  /** The files that determine what is built. */
  readonly inputs: readonly string[];
  readonly signal: AbortSignal | undefined;
  /** Called once if another process is building it. */
  readonly onWait: (owner: ProcessIdentity) => void;
  /** Builds into the folder given, which exists and is empty. */
  readonly build: (folder: string) => Promise<void>;
}

/** Sixteen hex digits that change whenever an input, the platform or the processor does. */
export function inputsKey(inputs: readonly string[]): string {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const path of inputs) hash.update(`\n${basename(path)}\n`).update(readFileSync(path));
  return hash.digest('hex').slice(0, 16);
}

/** Where it stands, or will stand, in the cache. */
export const builtPath = ({
  cacheDir,
  name,
  inputs,
}: Pick<BuildOnce, 'cacheDir' | 'name' | 'inputs'>): string => join(cacheDir, name, inputsKey(inputs));

/** The folder of the built thing, if it is there. */
export function findBuilt(thing: Pick<BuildOnce, 'cacheDir' | 'name' | 'inputs'>): string | undefined {
  const place = builtPath(thing);
  if (!existsSync(place)) return undefined;
  removeLeftovers(place, LEFTOVER_MS);
  return place;
}

/**
 * The folder of the built thing, building it if need be.
 * @throws whatever the build throws; nothing is left in the thing's place then
 */
export async function builtOnce(wanted: BuildOnce): Promise<string> {
  const place = builtPath(wanted);
  const { signal, onWait } = wanted;
  return withLock(`${place}.lock`, { signal, onWait }, async () => {
    if (existsSync(place)) return place;
    removeLeftovers(place, 0);
    // Its own name: a compiler outliving a killed settled must not write into this one's folder.
    const draft = `${place}.building-${process.pid}`;
    mkdirSync(draft, { recursive: true });
    try {
      await wanted.build(draft);
      signal?.throwIfAborted();
      renameSync(draft, place);
    } catch (error) {
      rmSync(draft, { recursive: true, force: true });
      throw error;
    }
    return place;
  });
}

/**
 * Removes what a killed build left. Under the lock nobody else builds, so it may be of any age; without it only what
 * is old goes. A compiler may outlive the settled that started it, and make its folder again after it was removed.
 */
function removeLeftovers(place: string, ageMs: number): void {
  for (const name of readdirSync(dirname(place))) {
    const path = join(dirname(place), name);
    if (!name.startsWith(`${basename(place)}.building-`)) continue;
    const changedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (Date.now() - changedMs >= ageMs) rmSync(path, { recursive: true, force: true });
  }
}
