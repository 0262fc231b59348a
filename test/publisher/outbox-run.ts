/** An outbox on a real database, a model of it in memory, and crashes: copies of the folder as the disk has it. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { Outbox, type HeldEvent } from '../../src/publisher/outbox.ts';

export const GRACE_MS = 64_000;
const STREAM = 'laws';

/** What must be true of an outbox, kept in memory beside it. */
class OutboxModel {
  readonly datas: Buffer[] = [];
  settledUpTo = 0;
  /** When each event was heard to be settled, by its number. */
  readonly settledAtMs = new Map<number, number>();
  lease = 0n;
}

/** An outbox and its model, through crashes. */
export class OutboxRun {
  readonly model = new OutboxModel();
  nowMs = 1_000_000;
  outbox!: Outbox;
  #place = '';
  #crashes = 0;

  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async open(place = this.folder): Promise<void> {
    this.#place = place;
    this.outbox = await Outbox.open({
      folder: place,
      stream: STREAM,
      graceMs: GRACE_MS,
      now: () => this.nowMs,
    });
  }

  /** The process is gone, with appends under way that nobody was told of. */
  async crash(underWay: readonly Buffer[]): Promise<void> {
    this.#crashes += 1;
    const copy = `${this.folder}-${this.#crashes}`;
    const promised = this.model.datas.length;
    const appending = underWay.length > 0 ? this.outbox.append(underWay) : undefined;
    cpSync(this.#place, copy, { recursive: true });
    await appending;
    await this.outbox.close();
    await this.open(copy);
    // What was promised is there; of what was not, all or nothing.
    const last = Number(this.outbox.last);
    assert.ok([promised, promised + underWay.length].includes(last), `last is ${last}`);
    if (last > promised) this.model.datas.push(...underWay);
  }

  async holds(): Promise<void> {
    const { outbox, model } = this;
    assert.equal(outbox.last, BigInt(model.datas.length));
    // A watermark may be lost with a crash, never invented; the lease never goes back.
    assert.ok(outbox.settledUpTo <= BigInt(model.settledUpTo));
    assert.equal(outbox.lease, model.lease);
    const oldest = Number(outbox.oldest);
    const held = await outbox.read(outbox.oldest, model.datas.length + 1);
    assert.deepEqual(
      held.map(({ sequence }) => Number(sequence)),
      Array.from({ length: model.datas.length - oldest + 1 }, (_, index) => oldest + index),
    );
    for (const { sequence, data } of held) assert.deepEqual(data, model.datas[Number(sequence) - 1]);
    assert.equal(outbox.events, held.length);
    assert.equal(outbox.bytes, sizeOf(held));
    const unsettled = held.filter(({ sequence }) => sequence > outbox.settledUpTo);
    assert.deepEqual(outbox.unsettled, { events: unsettled.length, bytes: sizeOf(unsettled) });
    // From any place, what is read is the suffix.
    const from = oldest + Math.floor(held.length / 2);
    assert.deepEqual(
      (await outbox.read(BigInt(from), 3)).map(({ sequence }) => Number(sequence)),
      [from, from + 1, from + 2].filter((sequence) => sequence <= model.datas.length),
    );
    if (outbox.settledUpTo > 0n) assert.ok(outbox.oldest <= outbox.settledUpTo);
    else assert.equal(oldest, 1);
  }
}

function sizeOf(events: readonly HeldEvent[]): number {
  return events.reduce((sum, { data }) => sum + data.length, 0);
}
