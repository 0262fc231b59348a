/** What a publisher refuses, each with the numbers that a person needs. */
import { reasonOf } from '../logging/reason-of.ts';

/** The outbox could not be opened: it is in use, another stream's, or damaged. */
export class OutboxOpenError extends Error {
  override readonly name = 'OutboxOpenError';
  readonly folder: string;

  constructor(folder: string, reason: string, cause?: unknown) {
    super(`cannot open the outbox ${folder}: ${reason}`, { cause });
    this.folder = folder;
  }
}

/** The outbox is full of events that are not known to be settled, and the publisher was told to refuse then. */
export class OutboxFullError extends Error {
  override readonly name = 'OutboxFullError';
  /** The number that the event would have had. It is still free. */
  readonly sequence: bigint;

  constructor(sequence: bigint, held: string, settledUpTo: bigint) {
    super(
      `sequence ${sequence} is refused: the outbox is full (${held}), and only what is up to ${settledUpTo} is known to ` +
        'be settled. Nothing of it was written. Look at "settled status", and publish it again when there is room',
    );
    this.sequence = sequence;
  }
}

/** An event's number does not continue the stream. */
export class NumberingError extends Error {
  override readonly name = 'NumberingError';
  readonly expected: bigint;
  readonly stated: bigint;

  constructor(expected: bigint, stated: bigint) {
    super(
      `the event states sequence ${stated}, but the outbox goes on at ${expected}: ` +
        (stated < expected
          ? 'that number was published before, perhaps by a former run of the engine'
          : `${expected} to ${stated - 1n} were never published`),
    );
    this.expected = expected;
    this.stated = stated;
  }
}

/** An event that every ingest would refuse: in the outbox it would stop the stream. */
export class InvalidEventError extends Error {
  override readonly name = 'InvalidEventError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`the event is not valid, nothing of it was written: ${faults.join('; ')}`);
    this.faults = faults;
  }
}

/**
 * The disk did not take it. The events are neither published nor refused: a part of them may stand in the outbox when it
 * is opened again, and its `last` says which.
 */
export class OutboxWriteError extends Error {
  override readonly name = 'OutboxWriteError';
  readonly first: bigint;
  readonly last: bigint;

  constructor(first: bigint, last: bigint, cause: unknown) {
    super(
      `writing sequences ${first} to ${last} to the outbox failed: ${reasonOf(cause)}. ` +
        'They may or may not be in it: close the publisher, open it again, and go on after its last number',
      { cause },
    );
    this.first = first;
    this.last = last;
  }
}

/** More publishes wait than the bound allows: the engine does not wait for them. */
export class TooManyWaitingError extends Error {
  override readonly name = 'TooManyWaitingError';

  constructor(waiting: number) {
    super(`${waiting} events wait for the outbox already; wait for earlier publishes before the next`);
  }
}

/** The publisher is closed, or has failed to write before. */
export class PublisherClosedError extends Error {
  override readonly name = 'PublisherClosedError';

  constructor(why = 'the publisher is closed') {
    super(why);
  }
}
