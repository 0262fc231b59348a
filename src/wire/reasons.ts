/**
 * Why a message is rejected: a closed list of stable words, which the ingest's counts and `rejected_messages` show.
 * The order of the list matters: a message may have many faults, and is known by its most basic one, the first in
 * this order. A word, once released, is never renamed.
 */

/** Every reject reason, the most basic first. docs/wire.md says the same in a table for the engine's authors. */
export const REJECT_REASONS = [
  /** The message does not have exactly two frames. */
  'frame-count',
  /** The first frame is not `settlement`. */
  'unknown-topic',
  /** The second frame has no bytes. */
  'empty-message',
  /** The second frame is above 16 KiB. */
  'too-large',
  /** The second frame is no UTF-8. */
  'invalid-utf8',
  /** Arrays and objects are nested more than 64 deep. */
  'too-deep',
  /** The second frame is no JSON. */
  'invalid-json',
  /** The JSON is an array, a string, a number, true, false or null. */
  'not-an-object',
  /** A key stands twice in the object, with the same value or another. */
  'duplicate-key',
  /** A field of the message is not there. */
  'missing-field',
  /** A field is no plain integer: a string, null, `1.0`, `1e3`, `-0`; or `event_type` is no string. */
  'wrong-type',
  /** `event_type` is none of DEPOSIT, WITHDRAW, WITHDRAWAL, LOCK, UNLOCK. */
  'unknown-event-type',
  /** An integer is negative, above 2^63-1, or past the field's own bound (assets, times, numbers from 1). */
  'out-of-range',
  /** A price, quantity or amount is 0. */
  'not-positive',
  /** A trade's base and quote asset are the same. */
  'same-asset',
  /** price × quantity, or a trade's amount together with its refund, is above 2^63-1. */
  'amount-overflow',
  /** price × quantity is no multiple of the instrument's divisor. */
  'indivisible',
  /** The version after the event would be above 2^63-1. */
  'version-overflow',
  /** A self-trade's two legs on one balance do not state consecutive versions. */
  'self-trade-versions',
  /** A classic engine announced a LOCK above the available amount, which it had refused. Found by the ingest. */
  'phantom-lock',
] as const;

/** One word of {@link REJECT_REASONS}. */
export type RejectReason = (typeof REJECT_REASONS)[number];

/** One thing that is wrong with a message: the word, and a line for people that names field and value. */
export interface Fault {
  readonly reason: RejectReason;
  readonly text: string;
}

/** At most this many faults of one message are listed; a last line says how many more there are. */
export const FAULTS_MAX = 64;

/**
 * The word by which a message with these faults is known: the most basic of them.
 *
 * @throws RangeError if there are none
 */
export function mostBasicReason(faults: readonly Fault[]): RejectReason {
  const found = REJECT_REASONS.find((reason) => faults.some((fault) => fault.reason === reason));
  if (found === undefined) throw new RangeError('a message without faults has no reject reason');
  return found;
}

/** The lines of the faults as a person reads them, each led by its word, at most {@link FAULTS_MAX} and one. */
export function faultLines(faults: readonly Fault[]): string[] {
  const lines = faults.slice(0, FAULTS_MAX).map((fault) => `${fault.reason}: ${fault.text}`);
  if (faults.length > FAULTS_MAX) lines.push(`and ${faults.length - FAULTS_MAX} more`);
  return lines;
}

/** Text from a message, quoted and cut to 40 characters, for a fault's line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 39)}…` : text);
}
