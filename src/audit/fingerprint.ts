/**
 * Fingerprints: what two tables must agree on, as 32 bytes. A run draws its own key, so that nobody can prepare rows
 * whose fingerprints cancel. Here stands which fields of an entry, of a balance's end and of a line are compared.
 */
import { hash, randomBytes } from 'node:crypto';
import type { LedgerEntry } from '../domain/entries.ts';
import type { EventKind } from '../domain/event.ts';

/** The state that an entry builds on: that of the version before it. */
export interface StateBefore {
  readonly version: bigint;
  readonly available: bigint;
  readonly frozen: bigint;
  readonly chain: Buffer;
}

/** An entry with the state that it builds on. */
export interface LinkedEntry {
  readonly entry: LedgerEntry;
  readonly before: StateBefore;
}

/** Where a balance stands: by its own row, or by its last entry. */
export interface EndState {
  readonly userId: bigint;
  readonly assetId: number;
  readonly version: bigint;
  readonly available: bigint;
  readonly frozen: bigint;
  readonly chain: Buffer;
  readonly lastSequence: bigint;
  readonly timeMs: number;
}

/** What the stream log and an event's row both say of a sequence. */
export interface LineState {
  readonly stream: string;
  readonly sequence: bigint;
  readonly kind: EventKind;
  readonly id: bigint;
  readonly digest: Buffer;
}

const KEY_BYTES = 16;
const SCRATCH_BYTES = 1_024;

/** Makes the fingerprints of one run. Not to be shared between runs. */
export class Fingerprints {
  readonly #scratch = Buffer.alloc(SCRATCH_BYTES);
  #at = KEY_BYTES;

  constructor() {
    randomBytes(KEY_BYTES).copy(this.#scratch);
  }

  entry({ entry, before }: LinkedEntry): Buffer {
    this.#int(entry.userId).#int(BigInt(entry.assetId)).#int(entry.version);
    this.#text(entry.stream)
      .#int(entry.sequence)
      .#text(entry.eventKind)
      .#int(entry.eventId)
      .#text(entry.step);
    this.#int(entry.availableChange).#int(entry.frozenChange);
    this.#int(entry.availableAfter).#int(entry.frozenAfter).#bytes(entry.chain).#time(entry.timeMs);
    return this.#int(before.version).#int(before.available).#int(before.frozen).#bytes(before.chain).#hash();
  }

  end(end: EndState): Buffer {
    this.#int(end.userId).#int(BigInt(end.assetId)).#int(end.version).#int(end.available).#int(end.frozen);
    return this.#bytes(end.chain).#int(end.lastSequence).#time(end.timeMs).#hash();
  }

  line(line: LineState): Buffer {
    this.#text(line.stream).#int(line.sequence).#text(line.kind).#int(line.id);
    return this.#bytes(line.digest).#hash();
  }

  /** Values before are differences, and may leave 64 bits in a damaged row: the low 64 bits tell them apart. */
  #int(value: bigint): this {
    this.#at = this.#scratch.writeBigInt64BE(BigInt.asIntN(64, value), this.#at);
    return this;
  }

  /** A time beyond what a Date can hold is read as NaN. */
  #time(timeMs: number): this {
    return this.#int(Number.isNaN(timeMs) ? -1n : BigInt(timeMs));
  }

  #text(value: string): this {
    return this.#bytes(value.length <= 64 ? Buffer.from(value) : hash('sha256', value, 'buffer'));
  }

  #bytes(value: Buffer): this {
    const short = value.length <= 128 ? value : hash('sha256', value, 'buffer');
    this.#at = this.#scratch.writeUInt32BE(value.length, this.#at);
    this.#at += short.copy(this.#scratch, this.#at);
    return this;
  }

  #hash(): Buffer {
    const bytes = this.#scratch.subarray(0, this.#at);
    this.#at = KEY_BYTES;
    return hash('sha256', bytes, 'buffer');
  }
}
