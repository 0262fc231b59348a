/**
 * A storage that watches the settler on its way to the real one, and notes what breaks an invariant: parts of events,
 * balances left out or written twice (I1), batches above their bound (I5), batches under way together with what they
 * build on (I4). A test may stand between it and the real storage, to be slow, silent or broken.
 */
import { balanceName, type BalanceKey } from '../../src/domain/balance.ts';
import type { CalculatedLeg } from '../../src/domain/calculate.ts';
import type { LedgerEntry } from '../../src/domain/entries.ts';
import type {
  DigestedEvent,
  EncodedEvent,
  SettlementBatch,
  SettlementStorage,
  StoredBalance,
  StoredEventRow,
  WriteEnding,
} from '../../src/settlement/port.ts';

/** What a test does in place of a call; `carryOut` does the call. */
export interface Interference {
  writeBatch?(carryOut: () => Promise<WriteEnding>, batch: SettlementBatch): Promise<WriteEnding>;
  writeEntries?(carryOut: () => Promise<WriteEnding>, entries: readonly LedgerEntry[]): Promise<WriteEnding>;
  /** Before any read. */
  read?(what: 'watermark' | 'balances' | 'rows'): Promise<void>;
}

interface Encoded {
  readonly sequence: bigint;
  readonly legs: readonly CalculatedLeg[];
}

/** Watches one settler. */
export class Probe implements SettlementStorage {
  readonly balanceBytesMax: number;
  readonly entriesPerWriteMax: number;
  /** What broke an invariant, in words. */
  readonly faults: string[] = [];
  /** Bytes of each batch as the settler counts them, by its number of events. */
  readonly batches: { readonly events: number; readonly bytes: number }[] = [];
  readonly entriesWritten: LedgerEntry[] = [];
  batchesAtOnceMax = 0;
  readonly reads = { watermark: 0, balances: 0, rows: 0 };
  interference: Interference;
  readonly #inner: SettlementStorage;
  readonly #groupBytesMax: number;
  readonly #encoded = new WeakMap<EncodedEvent, Encoded>();
  /** Batches that were sent and have neither been acknowledged nor failed. */
  readonly #underWay = new Map<SettlementBatch, readonly string[]>();
  /** Newest version of each balance that was read or acknowledged. */
  readonly #known = new Map<string, bigint>();

  constructor(
    inner: SettlementStorage,
    interference: Interference = {},
    groupBytesMax = Number.POSITIVE_INFINITY,
  ) {
    this.#inner = inner;
    this.interference = interference;
    this.#groupBytesMax = groupBytesMax;
    this.balanceBytesMax = inner.balanceBytesMax;
    this.entriesPerWriteMax = inner.entriesPerWriteMax;
  }

  async readWatermark(stream: string): Promise<bigint> {
    this.reads.watermark += 1;
    await this.interference.read?.('watermark');
    return this.#inner.readWatermark(stream);
  }

  async readBalances(keys: readonly BalanceKey[]): Promise<StoredBalance[]> {
    this.reads.balances += keys.length;
    await this.interference.read?.('balances');
    const balances = await this.#inner.readBalances(keys);
    for (const balance of balances) this.#learn(balanceName(balance), balance.version);
    return balances;
  }

  async readEventRows(
    stream: string,
    events: readonly DigestedEvent[],
  ): Promise<(StoredEventRow | undefined)[]> {
    this.reads.rows += events.length;
    await this.interference.read?.('rows');
    return this.#inner.readEventRows(stream, events);
  }

  encodeEvent(
    stream: string,
    event: DigestedEvent,
    legs: readonly CalculatedLeg[],
    settledBy: string,
  ): EncodedEvent {
    const encoded = this.#inner.encodeEvent(stream, event, legs, settledBy);
    this.#encoded.set(encoded, { sequence: event.event.sequence, legs });
    return encoded;
  }

  async writeBatch(batch: SettlementBatch): Promise<WriteEnding> {
    if (!this.#underWay.has(batch)) this.#begin(batch);
    const carryOut = (): Promise<WriteEnding> => this.#inner.writeBatch(batch);
    let ending: WriteEnding;
    try {
      ending = await (this.interference.writeBatch?.(carryOut, batch) ?? carryOut());
    } catch (error) {
      this.#underWay.delete(batch);
      throw error;
    }
    if (ending === 'written') {
      this.#underWay.delete(batch);
      for (const { userId, assetId, balance } of batch.balances)
        this.#learn(balanceName({ userId, assetId }), balance.version);
    }
    return ending;
  }

  async writeEntries(entries: readonly LedgerEntry[]): Promise<WriteEnding> {
    const names = entries.map((entry) => balanceName(entry));
    const runs = names.filter((name, at) => name !== names[at - 1]);
    if (runs.length !== new Set(names).size)
      this.faults.push(`entries of an account are not gathered: ${runs.join(', ')}`);
    if (entries.length > this.entriesPerWriteMax) this.faults.push(`${entries.length} entries in one batch`);
    const carryOut = (): Promise<WriteEnding> => this.#inner.writeEntries(entries);
    const ending = await (this.interference.writeEntries?.(carryOut, entries) ?? carryOut());
    if (ending === 'written') this.entriesWritten.push(...entries);
    return ending;
  }

  #learn(name: string, version: bigint): void {
    if (version > (this.#known.get(name) ?? 0n)) this.#known.set(name, version);
  }

  #begin(batch: SettlementBatch): void {
    const names = batch.balances.map((one) => balanceName(one));
    if (new Set(names).size !== names.length) this.faults.push('a balance stands twice in a batch');
    for (const [other, touched] of this.#underWay)
      for (const name of touched)
        if (names.includes(name))
          this.faults.push(
            `${this.#sequences(batch)} is sent while ${this.#sequences(other)} is under way, on ${name}`,
          );
    this.#underWay.set(batch, names);
    this.batchesAtOnceMax = Math.max(this.batchesAtOnceMax, this.#underWay.size);
    const bytes =
      batch.events.reduce((sum, event) => sum + event.bytes, 0) + names.length * this.balanceBytesMax;
    this.batches.push({ events: batch.events.length, bytes });
    if (batch.events.length > 1 && bytes > this.#groupBytesMax)
      this.faults.push(`${bytes} bytes in a batch of ${batch.events.length} events`);
    this.#follow(batch);
  }

  /** Follows the versions through a batch, event by event. */
  #follow(batch: SettlementBatch): void {
    const within = new Map<string, bigint>();
    for (const event of batch.events) {
      const encoded = this.#encoded.get(event);
      for (const leg of encoded?.legs ?? []) {
        const name = balanceName(leg);
        const at = within.get(name) ?? this.#known.get(name) ?? 0n;
        if (leg.versionBefore > at)
          this.faults.push(
            `${encoded?.sequence} builds on ${name} v${leg.versionBefore}, which is not there`,
          );
        within.set(name, leg.versionBefore + BigInt(leg.steps.length));
      }
    }
    for (const { userId, assetId, balance } of batch.balances) {
      const name = balanceName({ userId, assetId });
      if (within.get(name) !== balance.version)
        this.faults.push(`${name} v${balance.version} is not what ${this.#sequences(batch)} lead to`);
      within.delete(name);
    }
    for (const name of within.keys()) this.faults.push(`${name} is left out of its batch`);
  }

  #sequences(batch: SettlementBatch): string {
    return batch.events.map((event) => this.#encoded.get(event)?.sequence).join(',');
  }
}
