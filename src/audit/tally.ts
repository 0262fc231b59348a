/**
 * Tallies: what two tables say of the same things, compared without holding either. Each side's fingerprints are summed
 * into a fixed number of slots, chosen by the thing's key; the two sides agree if every slot comes out at zero. A slot
 * that does not names a small share of the keys, to be read again and compared one by one (suspects.ts).
 */

/** Slots of a tally: memory of 36 bytes each. */
export const TALLY_SLOTS = 4_096;

const LANES = 8;

/** A slot whose two sides differ. */
export interface UnevenSlot {
  readonly slot: number;
  /** Fingerprints that went into it, from both sides. */
  readonly records: number;
}

/** Sums modulo 2³² in each of eight lanes: order does not matter, and a single differing bit shows. */
export class Tally {
  readonly #lanes = new Uint32Array(TALLY_SLOTS * LANES);
  readonly #records = new Float64Array(TALLY_SLOTS);
  readonly #balance = new Float64Array(TALLY_SLOTS);

  add(slot: number, fingerprint: Buffer): void {
    this.#sum(slot, fingerprint, 1);
  }

  subtract(slot: number, fingerprint: Buffer): void {
    this.#sum(slot, fingerprint, -1);
  }

  /** Slots that do not come out at zero, in order. */
  uneven(): UnevenSlot[] {
    const uneven: UnevenSlot[] = [];
    for (let slot = 0; slot < TALLY_SLOTS; slot += 1) {
      const lanes = this.#lanes.subarray(slot * LANES, (slot + 1) * LANES);
      if (this.#balance[slot] !== 0 || lanes.some((lane) => lane !== 0))
        uneven.push({ slot, records: this.#records[slot] ?? 0 });
    }
    return uneven;
  }

  #sum(slot: number, fingerprint: Buffer, sign: 1 | -1): void {
    const base = slot * LANES;
    for (let lane = 0; lane < LANES; lane += 1) {
      const value = sign * fingerprint.readUInt32LE(lane * 4);
      this.#lanes[base + lane] = (this.#lanes[base + lane] ?? 0) + value;
    }
    this.#records[slot] = (this.#records[slot] ?? 0) + 1;
    this.#balance[slot] = (this.#balance[slot] ?? 0) + sign;
  }
}

/** The slot of an account, or of one bucket of its entries. */
export function accountSlot(userId: bigint, assetId: number, bucket = 0n): number {
  return mix(low(userId), high(userId), assetId, low(bucket));
}

/** The slot of a sequence. */
export function sequenceSlot(stream: string, sequence: bigint): number {
  return mix(low(sequence), high(sequence), stream.length, stream.charCodeAt(stream.length - 1) | 0);
}

function low(value: bigint): number {
  return Number(BigInt.asUintN(32, value));
}

function high(value: bigint): number {
  return Number(BigInt.asUintN(32, value >> 32n));
}

/** A few rounds of multiply and shift: only the spread matters. */
function mix(...words: number[]): number {
  let mixed = 0x9e3779b9;
  for (const word of words) {
    mixed = Math.imul(mixed ^ word, 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35);
    mixed ^= mixed >>> 13;
  }
  return (mixed >>> 0) % TALLY_SLOTS;
}
