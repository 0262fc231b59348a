/**
 * Stands for `classic-level` in a simulation: sorted keys on a simulated disk that outlives processes. What was written
 * when a process is killed stays, as with LevelDB, whose writes are the operating system's by then.
 */
import type { Scheduler } from '../scheduler.ts';

interface Bounds {
  readonly gte?: Buffer;
  readonly gt?: Buffer;
  readonly lt?: Buffer;
  readonly lte?: Buffer;
  readonly limit?: number;
  readonly reverse?: boolean;
}

type Operation =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer };

/** A disk: folders of keys and values. Keys are kept as text of one byte a character, which sorts as their bytes do. */
export class Disk {
  readonly #folders = new Map<string, Map<string, Buffer>>();
  readonly #scheduler: Scheduler;
  readonly #latencyMs: number;

  constructor(scheduler: Scheduler, latencyMs: number) {
    this.#scheduler = scheduler;
    this.#latencyMs = latencyMs;
  }

  folder(name: string): Map<string, Buffer> {
    const folder = this.#folders.get(name) ?? new Map<string, Buffer>();
    this.#folders.set(name, folder);
    return folder;
  }

  /** Lets a moment pass. */
  moment(): Promise<void> {
    return this.#scheduler.pause(this.#latencyMs);
  }
}

let disk: Disk | undefined;

/** On which disk folders are from now on. */
export function useDisk(next: Disk): void {
  disk = next;
}

/** A database. */
export class ClassicLevel {
  readonly #disk: Disk;
  readonly #rows: Map<string, Buffer>;

  constructor(folder: string, _options: object) {
    if (!disk) throw new Error('no simulated disk');
    this.#disk = disk;
    this.#rows = disk.folder(folder);
  }

  open(): Promise<void> {
    return this.#disk.moment();
  }

  close(): Promise<void> {
    return this.#disk.moment();
  }

  async get(key: Buffer): Promise<Buffer | undefined> {
    await this.#disk.moment();
    return this.#rows.get(key.toString('latin1'));
  }

  async put(key: Buffer, value: Buffer): Promise<void> {
    await this.batch([{ type: 'put', key, value }]);
  }

  async batch(operations: readonly Operation[]): Promise<void> {
    await this.#disk.moment();
    for (const operation of operations) {
      const key = operation.key.toString('latin1');
      if (operation.type === 'put') this.#rows.set(key, operation.value);
      else this.#rows.delete(key);
    }
  }

  async clear(bounds: Bounds): Promise<void> {
    await this.#disk.moment();
    for (const key of this.#keys(bounds)) this.#rows.delete(key);
  }

  iterator(bounds: Bounds): Iterator {
    return new Iterator(async () => {
      await this.#disk.moment();
      return this.#keys(bounds).map((key) => [
        Buffer.from(key, 'latin1'),
        this.#rows.get(key) ?? Buffer.alloc(0),
      ]);
    });
  }

  #keys({ gte, gt, lt, lte, limit = Infinity, reverse = false }: Bounds): string[] {
    const text = (bound: Buffer | undefined): string | undefined => bound?.toString('latin1');
    const [from, above, below, to] = [text(gte), text(gt), text(lt), text(lte)];
    const keys = [...this.#rows.keys()].filter(
      (key) =>
        (from === undefined || key >= from) &&
        (above === undefined || key > above) &&
        (below === undefined || key < below) &&
        (to === undefined || key <= to),
    );
    keys.sort((a, b) => (a < b ? -1 : 1));
    if (reverse) keys.reverse();
    return keys.slice(0, limit);
  }
}

/** Rows in order. */
export class Iterator {
  readonly #read: () => Promise<[Buffer, Buffer][]>;

  constructor(read: () => Promise<[Buffer, Buffer][]>) {
    this.#read = read;
  }

  all(): Promise<[Buffer, Buffer][]> {
    return this.#read();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<[Buffer, Buffer]> {
    yield* await this.#read();
  }
}
