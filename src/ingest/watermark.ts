/**
 * The watermark: the highest sequence up to which every event is settled, persisted before anything is released
 * (I7). Events settle in any order across partitions; the watermark moves over what is contiguous.
 */

/** Counts settled sequences and persists how far they are contiguous. */
export class Watermark {
  readonly #persist: (watermark: bigint) => Promise<void>;
  readonly #pauseMs: number;
  readonly #settled = new Set<bigint>();
  #contiguous: bigint;
  #persisted: bigint;
  #writing = false;
  #closed = false;
  #listeners: (() => void)[] = [];

  /**
   * @param start the watermark as it is persisted
   * @param persist writes it; retried until it succeeds
   * @param pauseMs least time between two writes, ms
   */
  constructor(start: bigint, persist: (watermark: bigint) => Promise<void>, pauseMs = 20) {
    this.#contiguous = start;
    this.#persisted = start;
    this.#persist = persist;
    this.#pauseMs = pauseMs;
  }

  /** The highest sequence up to which everything is settled, as far as it is persisted. */
  get persisted(): bigint {
    return this.#persisted;
  }

  /** Goes on after a higher watermark that was read back from the database: another ingest has persisted it. */
  continueAfter(watermark: bigint): void {
    if (watermark <= this.#persisted) return;
    this.#persisted = watermark;
    if (watermark > this.#contiguous) this.#contiguous = watermark;
    const before = [...this.#settled];
    this.#settled.clear();
    for (const sequence of before) this.settled(sequence);
    this.wake();
  }

  /** Notes that an event is settled. */
  settled(sequence: bigint): void {
    if (sequence <= this.#contiguous) return;
    this.#settled.add(sequence);
    while (this.#settled.delete(this.#contiguous + 1n)) this.#contiguous += 1n;
    if (this.#contiguous > this.#persisted && !this.#writing) void this.#write();
  }

  /** Resolves at the next persisted advance. */
  advance(): Promise<void> {
    return new Promise((resolve) => {
      this.#listeners.push(resolve);
    });
  }

  /** Wakes those who wait in {@link advance}, whatever the watermark. */
  wake(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }

  /** Repeats no write that fails any more, so that a process can end while the database is away. */
  close(): void {
    this.#closed = true;
  }

  async #write(): Promise<void> {
    this.#writing = true;
    for (let failures = 0; this.#contiguous > this.#persisted;) {
      const target = this.#contiguous;
      try {
        await this.#persist(target);
        failures = 0;
        this.#persisted = target;
        this.wake();
      } catch {
        if (this.#closed) break;
        failures += 1;
      }
      await new Promise((resolve) => setTimeout(resolve, this.#pauseMs * 2 ** Math.min(failures, 8)));
    }
    this.#writing = false;
  }
}
