/**
 * An engine by the test's will: its two sockets, and what it sends and answers decided line by line. It stands for engines
 * that lose, that forget, and that lie.
 */
import { Push, Router } from 'zeromq';
import { decodeControl, encodeControl, type ControlMessage } from '../../src/wire/control.ts';
import type { Frames } from '../../src/publisher/push.ts';

/** One engine on free ports. */
export class StandInEngine {
  /** Every control message that came, in order. */
  readonly heard: ControlMessage[] = [];
  readonly #push = new Push({ linger: 0, immediate: true });
  readonly #router = new Router({ linger: 0 });
  readonly #answer: (engine: StandInEngine, message: ControlMessage) => void;
  #peer: Buffer | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(answer: (engine: StandInEngine, message: ControlMessage) => void) {
    this.#answer = answer;
  }

  /** @param answer called with each control message */
  static async open(
    answer: (engine: StandInEngine, message: ControlMessage) => void = () => undefined,
  ): Promise<StandInEngine> {
    const engine = new StandInEngine(answer);
    await engine.#push.bind('tcp://127.0.0.1:*');
    await engine.#router.bind('tcp://127.0.0.1:*');
    void engine.#listen();
    return engine;
  }

  get endpoint(): string {
    return this.#push.lastEndpoint ?? '';
  }

  get controlEndpoint(): string {
    return this.#router.lastEndpoint ?? '';
  }

  /** The sequences from which it was asked to send. */
  get asked(): bigint[] {
    return this.heard.flatMap((message) => (message.type === 'resume' ? [message.from] : []));
  }

  /** Sends messages in order, after those before them. */
  send(messages: Iterable<Frames>): void {
    for (const frames of messages)
      this.#tail = this.#tail.then(() => this.#push.send(frames as [Buffer, Buffer])).catch(() => undefined);
  }

  /** Answers on the control socket, with a message or with any bytes. */
  async reply(message: ControlMessage | Buffer): Promise<void> {
    if (!this.#peer) throw new Error('nobody has asked anything yet');
    await this.#router.send([this.#peer, Buffer.isBuffer(message) ? message : encodeControl(message)]);
  }

  async close(): Promise<void> {
    this.#push.close();
    this.#router.close();
    await this.#tail;
  }

  async #listen(): Promise<void> {
    for await (const [peer, ...frames] of this.#router) {
      this.#peer = peer;
      const decoded = decodeControl(frames);
      if (decoded.kind !== 'message') throw new Error(`the ingest sent ${frames.map(String).join(' ')}`);
      this.heard.push(decoded.message);
      this.#answer(this, decoded.message);
    }
  }
}
