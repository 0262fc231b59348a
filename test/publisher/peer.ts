/** An ingest's end of the wire: its two sockets, and the numbers of what comes. */
import { Dealer, Pull } from 'zeromq';
import type { Publisher } from '../../src/publisher/index.ts';
import { encodeControl, type ControlMessage } from '../../src/wire/control.ts';

/** An ingest's two sockets. */
export class Peer {
  readonly #pull: Pull;
  readonly #dealer = new Dealer({ linger: 0 });

  constructor(publisher: Publisher, receiveHighWaterMark = 1_000) {
    this.#pull = new Pull({ linger: 0, receiveHighWaterMark });
    this.#pull.connect(publisher.endpoint);
    this.#dealer.connect(publisher.controlEndpoint);
  }

  /** The numbers of the next messages. */
  async numbers(count: number): Promise<number[]> {
    const numbers: number[] = [];
    while (numbers.length < count) {
      const [topic, data] = await this.#pull.receive();
      if (String(topic) !== 'settlement') throw new Error(`a message under topic ${String(topic)}`);
      numbers.push((JSON.parse(String(data)) as { sequence_id: number }).sequence_id);
    }
    return numbers;
  }

  /** The numbers that come until one of them. */
  async until(last: number): Promise<number[]> {
    const numbers: number[] = [];
    while (numbers.at(-1) !== last) numbers.push(...(await this.numbers(1)));
    return numbers;
  }

  async say(message: ControlMessage | string): Promise<void> {
    await this.#dealer.send(typeof message === 'string' ? message : encodeControl(message));
  }

  async answer(): Promise<string> {
    const [data] = await this.#dealer.receive();
    return String(data);
  }

  close(): void {
    this.#pull.close();
    this.#dealer.close();
  }
}
