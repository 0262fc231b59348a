/**
 * What a peer can make happen as often as it likes must not fill the log: it is told of the first few times, and then once in
 * a while, with how often it happened since.
 */

/** Told at once at most. */
const BURST = 10;
/** Then once in, ms. */
const EVERY_MS = 10_000;

interface Kind {
  /** How often it may be told of now. */
  left: number;
  /** When that was counted. */
  atMs: number;
  /** How often it was not told of since the last time. */
  untold: number;
}

/** Bounds how often something is told of, each kind by itself. Kinds must be few: none is forgotten. */
export class Seldom<K extends string> {
  readonly #kinds = new Map<K, Kind>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /**
   * Counts one.
   *
   * @returns how many of its kind were passed over since one was told of, if this one is to be told of; else undefined
   */
  note(kind: K): number | undefined {
    const nowMs = this.#nowMs();
    const known = this.#kinds.get(kind) ?? { left: BURST, atMs: nowMs, untold: 0 };
    this.#kinds.set(kind, known);
    const back = Math.floor((nowMs - known.atMs) / EVERY_MS);
    known.left = Math.min(known.left + back, BURST);
    known.atMs = known.left === BURST ? nowMs : known.atMs + back * EVERY_MS;
    if (known.left === 0) {
      known.untold += 1;
      return undefined;
    }
    known.left -= 1;
    const { untold } = known;
    known.untold = 0;
    return untold;
  }
}
