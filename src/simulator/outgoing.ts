/**
 * A message on its way out: its frames, and what can be said of it without judging it. Recordings may hold anything, also
 * what no reader would accept, so kind and number of a recorded message are looked for, not decoded.
 */

import type { Frames } from '../publisher/push.ts';
import { encodeMessage } from '../wire/encode.ts';
import type { Message } from '../wire/message.ts';
import { readRecording } from './recording.ts';

/** Where a recorded message says neither. */
export const KIND_UNKNOWN = 'UNKNOWN';

export interface Outgoing {
  readonly frames: Frames;
  /** `TRADE`, the word of a ledger event, or `UNKNOWN`. */
  readonly kind: string;
  /** Undefined where it states none, or 0 as ledger events of classic engines do. */
  readonly sequence: bigint | undefined;
}

/** Messages of a simulation, encoded. */
export function* encoded(messages: Iterable<Message>): Generator<Outgoing, void, void> {
  for (const message of messages) {
    if ('trade_id' in message) {
      yield { frames: encodeMessage(message), kind: 'TRADE', sequence: message.output_sequence };
    } else {
      yield { frames: encodeMessage(message), kind: message.event_type, sequence: message.sequence_id };
    }
  }
}

/** Messages of a recording, verbatim. */
export async function* recorded(file: string): AsyncGenerator<Outgoing, void, void> {
  for await (const { frames } of readRecording(file)) {
    const text = frames[1].toString();
    const number = /"(?:output_sequence|sequence_id)"\s*:\s*(\d+)/.exec(text)?.[1];
    const word = /"event_type"\s*:\s*"([A-Z]+)"/.exec(text)?.[1];
    const kind = word ?? (text.includes('"trade_id"') ? 'TRADE' : KIND_UNKNOWN);
    yield {
      frames,
      kind,
      sequence: number === undefined || /^0+$/.test(number) ? undefined : BigInt(number),
    };
  }
}

/** A message without a number stands in a stream that was to be cut by number. */
export class UnnumberedMessageError extends Error {
  constructor(position: number) {
    super(
      `message ${position} states no number, so the stream cannot be cut by --first-sequence; ` +
        'classic engines number trades only',
    );
    this.name = 'UnnumberedMessageError';
  }
}

/** The tail of a stream: what has this number or a higher one. Throws {@link UnnumberedMessageError}. */
export async function* fromSequence(
  messages: Iterable<Outgoing> | AsyncIterable<Outgoing>,
  first: bigint,
): AsyncGenerator<Outgoing, void, void> {
  let position = 0;
  for await (const message of messages) {
    position++;
    if (message.sequence === undefined) throw new UnnumberedMessageError(position);
    if (message.sequence >= first) yield message;
  }
}
