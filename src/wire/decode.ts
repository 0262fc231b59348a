/**
 * From the frames of one message to an event, or to every reason why it is none. Total: no input makes it throw, and
 * what it costs is bounded by the message's size. It knows one message only; what numbers and versions mean in the
 * order of a stream is the ingest's business (I6), and what they mean for a balance is the domain's.
 */
import { contentDigest } from '../domain/digest.ts';
import type { SettlementEvent } from '../domain/event.ts';
import { INT64_MAX } from '../domain/integers.ts';
import { readBody, type Body } from './body.ts';
import { readLedgerEvent } from './ledger-event.ts';
import {
  LEDGER_FIELDS,
  MESSAGE_BYTES_MAX,
  TOPIC,
  TRADE_FIELDS,
  TRANSPORT_BYTES_MAX,
  type Dialect,
} from './message.ts';
import { faultLines, mostBasicReason, quoted, type Fault, type RejectReason } from './reasons.ts';
import { readTrade } from './trade.ts';

/** What decoding needs to know beside the message. */
export interface DecodeContext {
  /** The ingest's clock when the message came, in ms since the epoch: the time of an event that states none. */
  readonly receivedAtMs: number;
  /**
   * By what price × quantity is divided to give the quote amount; 1 where nothing is configured. Must answer ≥ 1 for
   * any two assets and must not throw.
   */
  readonly divisorOf: (baseAsset: number, quoteAsset: number) => bigint;
}

/**
 * An event as its engine stated it. In a numbered stream it is complete. In a **classic** stream `sequence` is `0n`,
 * and a ledger event has `version: 0n, versionStated: false`: the ingest's classic adapter assigns both, and until it
 * has done so the event must not be settled. The digest does not change by that: it covers only what was stated.
 */
export type DecodedEvent = SettlementEvent;

/** What a message turned out to be. */
export type Decoded =
  | {
      readonly kind: 'event';
      readonly event: DecodedEvent;
      /** 32 bytes: SHA-256 of what the engine stated (domain/digest.ts). */
      readonly digest: Buffer;
      /** Names of fields that are not part of the message: ignored, to be counted. */
      readonly unknownFields: string[];
    }
  | {
      readonly kind: 'rejected';
      /** The most basic of the faults. */
      readonly reason: RejectReason;
      /** Every fault, in words, each led by its reason. Never empty. */
      readonly faults: string[];
      /** In a numbered stream: the message's number, where it could be read all the same. 1 … 2⁶³ − 1. */
      readonly sequence?: bigint;
    };

const TOPIC_BYTES = Buffer.from(TOPIC);
const CLASSIC_LEDGER_FIELDS = LEDGER_FIELDS.filter((name) => name !== 'version');
const KNOWN = {
  numbered: { trade: TRADE_FIELDS, ledger: LEDGER_FIELDS, all: [TRADE_FIELDS, LEDGER_FIELDS] },
  classic: { trade: TRADE_FIELDS, ledger: CLASSIC_LEDGER_FIELDS, all: [TRADE_FIELDS, CLASSIC_LEDGER_FIELDS] },
} as const satisfies Record<Dialect, unknown>;

/**
 * Decodes one message.
 *
 * A fault of the outside (frames, UTF-8, JSON) ends the reading, since there is nothing behind it to read; otherwise
 * all faults are listed. Deciding between the two messages: a trade is told by `trade_id`, a ledger event by
 * `event_type`; an object with neither is read as the one of which it has more fields, so that what lacks is named.
 *
 * @param frames the message's frames, as the socket gave them
 * @param dialect what the stream's engine numbers
 * @returns an event with its digest, or a rejection; see {@link Decoded}. Never throws
 */
export function decodeMessage(frames: readonly Buffer[], dialect: Dialect, context: DecodeContext): Decoded {
  const [topic, data] = frames;
  if (frames.length !== 2 || topic === undefined || data === undefined) {
    return rejected([{ reason: 'frame-count', text: `${frames.length} frames, not 2` }]);
  }
  const faults: Fault[] = [];
  if (!topic.equals(TOPIC_BYTES)) {
    faults.push({
      reason: 'unknown-topic',
      text: `the first frame is ${quoted(topic.toString('latin1', 0, 64))}`,
    });
  }
  if (data.length === 0) faults.push({ reason: 'empty-message', text: 'the second frame is empty' });
  if (data.length > MESSAGE_BYTES_MAX) {
    faults.push({ reason: 'too-large', text: `${data.length} bytes, at most ${MESSAGE_BYTES_MAX}` });
  }
  if (data.length === 0 || data.length > TRANSPORT_BYTES_MAX) return rejected(faults);

  const known = KNOWN[dialect];
  const body = readBody(data, known.all, faults);
  if (body === undefined) return rejected(faults);
  const trade = isTrade(body);
  const event = trade
    ? readTrade(body, dialect, context, faults)
    : readLedgerEvent(body, dialect, context, faults);
  if (faults.length > 0) return rejected(faults, dialect === 'numbered' ? statedSequence(body) : undefined);

  const names: readonly string[] = trade ? known.trade : known.ledger;
  const unknownFields =
    body.keyCount === names.length ? [] : Object.keys(body.fields).filter((name) => !names.includes(name));
  return { kind: 'event', event, digest: contentDigest(event), unknownFields };
}

function isTrade({ fields }: Body): boolean {
  if (fields['trade_id'] !== undefined) return true;
  if (fields['event_type'] !== undefined) return false;
  const present = (names: readonly string[]): number =>
    names.filter((name) => fields[name] !== undefined).length;
  return present(TRADE_FIELDS) > present(LEDGER_FIELDS);
}

/** The number of a message that is no event: only where exactly one field states one, once, in range. */
function statedSequence({ fields, duplicates }: Body): bigint | undefined {
  const stated = ['output_sequence', 'sequence_id'].filter((name) => fields[name] !== undefined);
  const [name] = stated;
  if (stated.length !== 1 || name === undefined || duplicates.has(name)) return undefined;
  const value = fields[name];
  return typeof value === 'bigint' && value >= 1n && value <= INT64_MAX ? value : undefined;
}

function rejected(faults: readonly Fault[], sequence?: bigint): Decoded {
  const found = { kind: 'rejected', reason: mostBasicReason(faults), faults: faultLines(faults) } as const;
  return sequence === undefined ? found : { ...found, sequence };
}
