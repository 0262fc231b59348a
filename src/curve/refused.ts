/**
 * Counts refused peers. Whoever tries again and again is counted each time and told of now and then: neither memory nor
 * the log may be filled from outside.
 */
import type { RefusedKind, RefusedPeer } from './sockets.ts';

const TOLD_MS_MIN = 10_000;
const KEYS_MAX = 1_000;

/** Refused peers of a process, by kind. */
export class RefusedPeers {
  readonly #counts: Partial<Record<RefusedKind, number>> = {};
  readonly #toldMs = new Map<string, number>();
  readonly #tell: (refused: RefusedPeer, total: number) => void;

  /** @param tell told of a peer that was not told of in the last ten seconds, with how many were refused in all */
  constructor(tell: (refused: RefusedPeer, total: number) => void) {
    this.#tell = tell;
  }

  /** How many were refused, by kind. */
  get counts(): Readonly<Partial<Record<RefusedKind, number>>> {
    return { ...this.#counts };
  }

  /** How many were refused in all. */
  get total(): number {
    return Object.values(this.#counts).reduce((sum, one) => sum + one, 0);
  }

  /** Counts one. */
  note(refused: RefusedPeer): void {
    const { kind, key = '' } = refused;
    this.#counts[kind] = (this.#counts[kind] ?? 0) + 1;
    const who = `${kind} ${key}`;
    const nowMs = performance.now();
    if (nowMs - (this.#toldMs.get(who) ?? Number.NEGATIVE_INFINITY) < TOLD_MS_MIN) return;
    if (this.#toldMs.size >= KEYS_MAX) this.#toldMs.clear();
    this.#toldMs.set(who, nowMs);
    this.#tell(refused, this.total);
  }
}
