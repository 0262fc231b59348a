/**
 * The digests of what was received last, so that what is sent again costs no read. They lie side by side in memory of
 * their own: a digest kept as it came would keep the whole slab of Node's pool that it was cut from, 8 KiB for 32 bytes.
 */
import { SHA256_BYTES } from '../domain/sha256.ts';

/** How many are kept at least. */
const RECENT_MIN = 50_000;

/** Digests by number, the last of an ascending row. */
export class RecentDigests {
  readonly #count: number;
  readonly #digests: Buffer;
  /** Whose digest lies at a place, plus one; zero where none does. */
  readonly #owners: BigUint64Array;

  /** @param inFlightMax events in flight at most: the database may not show these yet, so all of them are kept */
  constructor(inFlightMax = 0) {
    this.#count = Math.max(RECENT_MIN, inFlightMax);
    this.#digests = Buffer.alloc(this.#count * SHA256_BYTES);
    this.#owners = new BigUint64Array(this.#count);
  }

  /**
   * Keeps a digest; the one that came as many numbers before as are kept makes room for it.
   *
   * @param sequence 0 to 2^63 - 1
   * @param digest 32 bytes; they are copied
   */
  set(sequence: bigint, digest: Buffer): void {
    const place = this.#placeOf(sequence);
    this.#owners[place] = sequence + 1n;
    digest.copy(this.#digests, place * SHA256_BYTES);
  }

  /** The digest of that sequence, if it is kept. To be looked at now: its place is used again. */
  get(sequence: bigint): Buffer | undefined {
    const place = this.#placeOf(sequence);
    if (this.#owners[place] !== sequence + 1n) return undefined;
    return this.#digests.subarray(place * SHA256_BYTES, (place + 1) * SHA256_BYTES);
  }

  #placeOf(sequence: bigint): number {
    return Number(sequence % BigInt(this.#count));
  }
}
