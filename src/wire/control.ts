/**
 * Control messages between an ingest and its engine, on a socket of their own: one frame, one small JSON object. The ingest
 * asks for the stream again (`resume`) and says what is settled for good (`settled`, I7); the engine answers with the
 * messages themselves, on the PUSH socket, or with `unavailable`, and an ingest that was replaced with `old-lease`. docs/wire.md has the same for engines' authors.
 */
import { describeValue, readBody, type Body } from './body.ts';
import { ANY, FROM_ONE, integerField } from './fields.ts';
import { quoted, type Fault, type RejectReason } from './reasons.ts';

/** A control message above so many bytes is refused by the transport. */
export const CONTROL_BYTES_MAX = 4 * 1024;

/** Asks the engine to send from a sequence on. Sent by the ingest. */
export interface ResumeMessage {
  readonly type: 'resume';
  readonly stream: string;
  /** 1 … 2⁶³ − 1. */
  readonly from: bigint;
  /** Fencing number of the ingest: whoever has seen a higher one ignores the message. */
  readonly lease: bigint;
}

/** Everything up to a sequence is settled, and that is persisted: it need not be kept. Sent by the ingest. */
export interface SettledMessage {
  readonly type: 'settled';
  readonly stream: string;
  /** 0 … 2⁶³ − 1. */
  readonly upTo: bigint;
  readonly lease: bigint;
}

/** What a `resume` asked for is not there any more; the oldest that is has this sequence. Sent by the engine. */
export interface UnavailableMessage {
  readonly type: 'unavailable';
  readonly oldest: bigint;
}

/** What was said was ignored, since a higher lease was heard of: this is the highest. Sent by the engine. */
export interface OldLeaseMessage {
  readonly type: 'old-lease';
  readonly lease: bigint;
}

/** What an engine answers. */
export type ControlAnswer = UnavailableMessage | OldLeaseMessage;

/** Any of them. */
export type ControlMessage = ResumeMessage | SettledMessage | ControlAnswer;

/**
 * What a frame turned out to be. A `type` that nobody knows yet is no fault: it is to be passed over. Faults have the words
 * of rejected messages (reasons.ts).
 */
export type DecodedControl =
  | { readonly kind: 'message'; readonly message: ControlMessage }
  | { readonly kind: 'unknown'; readonly type: string }
  | { readonly kind: 'fault'; readonly faults: readonly Fault[] };

/** Names of streams, as the configuration has them. */
const STREAM = /^[a-z0-9-]{1,40}$/;

/** The bytes of a control message: fields in the order in which the types above name them, no white space. */
export function encodeControl(message: ControlMessage): Buffer {
  const fields = Object.entries(message).map(([name, value]) =>
    typeof value === 'bigint' ? `"${name}":${value}` : `"${name}":${JSON.stringify(value)}`,
  );
  return Buffer.from(`{${fields.join(',')}}`);
}

/** Reads a control message. Total: no input makes it throw. Unknown fields are passed over. */
export function decodeControl(frames: readonly Buffer[]): DecodedControl {
  const [data] = frames;
  if (frames.length !== 1 || data === undefined)
    return fault('frame-count', `${frames.length} frames, not 1`);
  if (data.length === 0) return fault('empty-message', 'no bytes');
  if (data.length > CONTROL_BYTES_MAX)
    return fault('too-large', `${data.length} bytes, at most ${CONTROL_BYTES_MAX}`);
  const faults: Fault[] = [];
  const body = readBody(data, [], faults);
  if (body === undefined || faults.length > 0) return { kind: 'fault', faults };
  const message = messageIn(body, faults);
  if (typeof message === 'string') return { kind: 'unknown', type: quoted(message) };
  return message === undefined || faults.length > 0
    ? { kind: 'fault', faults }
    : { kind: 'message', message };
}

/** The message of a body, or its type where nobody knows that. What is wrong is added to the faults. */
function messageIn(body: Body, faults: Fault[]): ControlMessage | string | undefined {
  const { type } = body.fields;
  const fromOne = (name: string): bigint => integerField(body, name, FROM_ONE, faults);
  if (type === 'resume')
    return { type, stream: streamField(body, faults), from: fromOne('from'), lease: fromOne('lease') };
  if (type === 'settled') {
    const stream = streamField(body, faults);
    return { type, stream, upTo: integerField(body, 'upTo', ANY, faults), lease: fromOne('lease') };
  }
  if (type === 'unavailable') return { type, oldest: fromOne('oldest') };
  if (type === 'old-lease') return { type, lease: fromOne('lease') };
  if (typeof type === 'string') return type;
  faults.push(
    type === undefined
      ? { reason: 'missing-field', text: 'type is missing' }
      : { reason: 'wrong-type', text: `type is ${describeValue(type)}, not a text` },
  );
  return undefined;
}

function streamField({ fields: { stream } }: Body, faults: Fault[]): string {
  if (typeof stream === 'string' && STREAM.test(stream)) return stream;
  const is = `stream is ${describeValue(stream)}`;
  if (stream === undefined) faults.push({ reason: 'missing-field', text: 'stream is missing' });
  else if (typeof stream === 'string')
    faults.push({ reason: 'out-of-range', text: `${is}, not 1 to 40 of a-z, 0-9 and -` });
  else faults.push({ reason: 'wrong-type', text: `${is}, not a text` });
  return '';
}

function fault(reason: RejectReason, text: string): DecodedControl {
  return { kind: 'fault', faults: [{ reason, text }] };
}
