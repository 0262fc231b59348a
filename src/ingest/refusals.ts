/**
 * A message that the transport does not take, a frame above its limit, costs the connection, and the engine sends it again on
 * the next one, and so on for ever. Nothing of it is ever seen; what shows is that connection after connection is
 * refused soon after the last event received has come again, and that nothing follows.
 */
import { StreamStopped } from './stop.ts';

/** A connection that lasts longer was refused for something else, ms: what was asked for comes within moments. */
const LIFE_MS_MAX = 5_000;

/** Counts such connections. */
export class Refusals {
  readonly #nowMs: () => number;
  /** The connection that there is: what was received before it, and since when it has been there. */
  #received = -1n;
  #readyMs = 0;
  #isCompared = false;
  #isRefused = false;
  #inARow = 0;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** The last event received has come again. */
  compared(): void {
    this.#isCompared = true;
  }

  /** The transport ended the connection for what came. */
  refused(): void {
    this.#isRefused = this.#nowMs() - this.#readyMs <= LIFE_MS_MAX;
  }

  /**
   * Another connection is there.
   *
   * @param received the last sequence received
   * @returns how many in a row before it were refused for the message that follows that one
   */
  ready(received: bigint): number {
    // Where nothing was received there is nothing to be compared.
    const wasRefusedForNext =
      this.#isRefused && received === this.#received && (this.#isCompared || received === 0n);
    this.#inARow = wasRefusedForNext ? this.#inARow + 1 : 0;
    this.#received = received;
    this.#readyMs = this.#nowMs();
    this.#isCompared = false;
    this.#isRefused = false;
    return this.#inARow;
  }
}

/** The stop at a message that the transport does not take. */
export function refusedNext(sequence: bigint): StreamStopped {
  return new StreamStopped({
    reason: 'hole',
    sequence: sequence.toString(),
    expected: sequence.toString(),
    message:
      `connection after connection is refused by the transport where sequence ${sequence} has to come: the engine sends a ` +
      `frame above 1 MiB there, or what is no ZeroMQ. A message has 16 KiB at most (docs/wire.md). Nothing from ` +
      `${sequence} on is settled`,
  });
}
