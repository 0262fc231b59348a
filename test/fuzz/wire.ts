/** A real socket pair: what is sent goes through ZeroMQ and the real receiver, frame by frame, in order. */
import { PushPublisher } from '../../src/publisher/push.ts';
import { Receiver } from '../../src/ingest/receiver.ts';
import type { Frames } from './frames.ts';

export class Wire {
  readonly #engine: PushPublisher;
  readonly #receiver: Receiver;

  private constructor(engine: PushPublisher, receiver: Receiver) {
    this.#engine = engine;
    this.#receiver = receiver;
  }

  static async open(): Promise<Wire> {
    const engine = await PushPublisher.open({ endpoint: 'tcp://127.0.0.1:0', lingerMs: 0 });
    const receiver = await Receiver.open({ endpoint: engine.endpoint, bind: false, highWaterMark: 1_000 });
    if (!(await engine.waitForPeer(10_000))) throw new Error('the receiver did not connect within 10 s');
    return new Wire(engine, receiver);
  }

  /** Sends messages and hands each on as it comes out. */
  async through(messages: readonly Frames[], take: (frames: Frames) => Promise<void>): Promise<void> {
    const sending = (async () => {
      for (const frames of messages)
        await this.#engine.publish(frames as unknown as readonly [Buffer, Buffer]);
    })();
    for (const _ of messages) {
      const frames = await this.#receiver.receive();
      if (!frames) throw new Error('the receiver ended');
      await take(frames);
    }
    await sending;
  }

  async close(): Promise<void> {
    this.#receiver.close();
    await this.#engine.close();
  }
}
