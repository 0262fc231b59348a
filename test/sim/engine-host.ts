/** The engine's process: the product's publisher, with its outbox on the simulated disk, and what the engine has to say. */
import { Publisher } from '../../src/publisher/index.ts';
import type { Engine } from './engine.ts';
import type { Process, Scheduler } from './scheduler.ts';
import { STREAM } from './stored.ts';

export const DATA_ENDPOINT = 'tcp://engine:1';
export const CONTROL_ENDPOINT = 'tcp://engine:2';

/** What an engine's process is made of. */
export interface EngineHostOptions {
  readonly scheduler: Scheduler;
  readonly process: Process;
  readonly engine: Pick<Engine, 'lastStated' | 'framesOf'>;
  /** Name of the outbox. */
  readonly folder: string;
  readonly graceMs: number;
  readonly eventsMax: number;
  readonly sendHighWaterMark: number;
  readonly trace: (text: () => string) => void;
}

/** One life of an engine. */
export class EngineHost {
  readonly process: Process;
  readonly #options: EngineHostOptions;
  #publisher: Publisher | undefined;
  #published = 0n;

  constructor(options: EngineHostOptions) {
    const { scheduler, process, trace } = options;
    this.#options = options;
    this.process = process;
    scheduler.in(process, 0, () => {
      this.#open().catch((error: unknown) => {
        trace(() => `${process.name} could not open: ${String(error)}`);
      });
    });
  }

  async #open(): Promise<void> {
    const { process, folder, graceMs, eventsMax, sendHighWaterMark, trace } = this.#options;
    this.#publisher = await Publisher.open({
      stream: STREAM,
      outbox: folder,
      endpoint: DATA_ENDPOINT,
      controlEndpoint: CONTROL_ENDPOINT,
      graceMs,
      eventsMax,
      sendHighWaterMark,
      onNotice: ({ kind, text }) => {
        trace(() => `${process.name} ${kind}: ${text}`);
      },
    });
    // What the outbox has, it has; the rest the engine states again, from its own book.
    this.#published = this.#publisher.status.last;
    this.publish();
  }

  /** The last sequence in its outbox: it never said more than that. */
  get lastPublished(): bigint {
    return this.#publisher?.status.last ?? 0n;
  }

  /** Publishes what was stated since. */
  publish(): void {
    const { engine, trace, process } = this.#options;
    if (!this.#publisher) return;
    while (this.#published < engine.lastStated) {
      this.#published += 1n;
      const sequence = this.#published;
      const [, data] = engine.framesOf(sequence);
      this.#publisher.publish(data).catch((error: unknown) => {
        trace(() => `${process.name} could not publish ${sequence}: ${String(error)}`);
      });
    }
  }
}
