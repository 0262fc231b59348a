/**
 * A lease in the hands of an ingest: which number it has, and until when. It is renewed at a third of its duration, and
 * good from before the renewal was sent, by this process's own clocks alone. Whoever sends anything asks first, since a
 * process that was stopped for a while does not know it: when it goes on, its clocks have gone on without it.
 */
import { reasonOf } from '../logging/reason-of.ts';

/** Each side leaves so much of the duration to the other: pauses of processes, clocks that run at other speeds. */
const MARGIN_SHARE = 0.1;
/** A renewal that failed is repeated so soon, as a share of the duration. */
const RETRY_SHARE = 0.05;

/** How a lease ended for its holder. */
export type LeaseEnding =
  /** Another holds the stream. */
  | { readonly kind: 'lost' }
  /** It could not be renewed in time: another may hold the stream. */
  | { readonly kind: 'expired'; readonly problem: string | undefined };

/** What an ingest must know of its lease. */
export interface HeldLease {
  /** The fencing number. */
  readonly number: bigint;
  /** True while nothing else can feed the stream. Asked before anything is sent. */
  isHeld(): boolean;
  /** Resolves when it ended without being released. */
  readonly ended: Promise<LeaseEnding>;
}

/** The clocks that a lease is measured by, ms. */
export interface LeaseClocks {
  /** Goes on steadily, also while the process is stopped. */
  monotonicMs(): number;
  /** Goes on also while the machine sleeps, but may be set. */
  wallMs(): number;
}

/** This process's clocks. */
export const SYSTEM_CLOCKS: LeaseClocks = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};

/** What keeping a lease needs. */
export interface LeaseKeeperOptions {
  readonly lease: bigint;
  readonly durationMs: number;
  readonly clocks?: LeaseClocks;
  /**
   * Renews it.
   *
   * @returns false if it is another's by now
   */
  renew(renewal: bigint, timeoutMs: number): Promise<boolean>;
  /** Gives it back. */
  release(): Promise<void>;
  /** Told of a renewal that failed and is repeated. */
  onRetry?(error: unknown): void;
}

/** How long a holder counts on a renewal, ms: less than others wait. */
export const heldMs = (durationMs: number): number => durationMs * (1 - MARGIN_SHARE);

/** How long others wait after the last renewal that they saw, ms. */
export const waitedMs = (durationMs: number): number => durationMs * (1 + MARGIN_SHARE);

/** Keeps a lease until it is released, lost, or run out. */
export class LeaseKeeper implements HeldLease {
  readonly ended: Promise<LeaseEnding>;
  readonly #options: LeaseKeeperOptions;
  readonly #clocks: LeaseClocks;
  #end!: (ending: LeaseEnding) => void;
  #over = false;
  #isFree = false;
  /** When the request that was acknowledged last was sent. */
  #sent: Instant;
  #renewal = 0n;
  #renewing: NodeJS.Timeout | undefined;
  #expiring: NodeJS.Timeout | undefined;
  #problem: string | undefined;

  /**
   * @param sent before the request was sent by which the lease was taken
   */
  constructor(options: LeaseKeeperOptions, sent: Instant) {
    this.#options = options;
    this.#clocks = options.clocks ?? SYSTEM_CLOCKS;
    this.#sent = sent;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.#schedule(options.durationMs / 3);
    this.#watch();
  }

  get number(): bigint {
    return this.#options.lease;
  }

  isHeld(): boolean {
    if (this.#over) return false;
    if (this.#leftMs() > 0) return true;
    // Once it has run out it stays so, also where a clock goes back: who was told no has given up something.
    this.#expire();
    return false;
  }

  /**
   * Gives it back, also where it ran out, so that the next may take over at once. Nothing may be sent under it any more.
   *
   * @throws the driver's errors: then the next waits until it runs out
   */
  async release(): Promise<void> {
    this.#finish();
    if (this.#isFree) return;
    this.#isFree = true;
    await this.#options.release();
  }

  /** By whichever clock has gone further. */
  #leftMs(): number {
    const goneMs = Math.max(
      this.#clocks.monotonicMs() - this.#sent.monotonicMs,
      this.#clocks.wallMs() - this.#sent.wallMs,
    );
    return heldMs(this.#options.durationMs) - goneMs;
  }

  #schedule(delayMs: number): void {
    this.#renewing = setTimeout(() => void this.#renew(), delayMs);
    this.#renewing.unref();
  }

  async #renew(): Promise<void> {
    const { durationMs } = this.#options;
    if (!this.isHeld()) return;
    const sent = instant(this.#clocks);
    try {
      this.#renewal += 1n;
      const isOurs = await this.#options.renew(this.#renewal, durationMs / 3);
      if (this.#over) return;
      if (!isOurs) {
        this.#finish();
        this.#isFree = true;
        this.#end({ kind: 'lost' });
        return;
      }
      // One that was acknowledged only after the lease had run out comes too late: sockets are closed by then.
      if (!this.isHeld()) return;
      this.#sent = sent;
      this.#problem = undefined;
      this.#schedule(durationMs / 3);
    } catch (error) {
      if (this.#over) return;
      this.#problem = reasonOf(error);
      this.#options.onRetry?.(error);
      this.#schedule(durationMs * RETRY_SHARE);
    }
  }

  #watch(): void {
    this.#expiring = setTimeout(
      () => {
        if (this.isHeld()) this.#watch();
      },
      Math.max(this.#leftMs(), 1),
    );
    this.#expiring.unref();
  }

  #expire(): void {
    if (this.#over) return;
    this.#finish();
    this.#end({ kind: 'expired', problem: this.#problem });
  }

  #finish(): void {
    this.#over = true;
    clearTimeout(this.#renewing);
    clearTimeout(this.#expiring);
  }
}

/** A moment by both clocks. */
export interface Instant {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** This moment. */
export const instant = (clocks: LeaseClocks = SYSTEM_CLOCKS): Instant => ({
  monotonicMs: clocks.monotonicMs(),
  wallMs: clocks.wallMs(),
});
