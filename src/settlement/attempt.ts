/**
 * One request under way: the outcomes of its events as they come. It ends when the last event has one, never in part.
 */
import type { EventOutcome } from './settle-request.ts';
import type { Task } from './task.ts';

/** Somebody who waits for an event's outcome: a place in a request. */
export interface Asker {
  readonly attempt: Attempt;
  readonly place: number;
  /** Undefined where the event was answered at once. */
  readonly task: Task | undefined;
}

/** Gathers the outcomes of one request. */
export class Attempt {
  /** In the order of the request's events; rejects with the first event's error where there was one, after all ended. */
  readonly outcomes: Promise<EventOutcome[]>;
  readonly #outcomes: EventOutcome[];
  readonly #events: number;
  #ended = 0;
  #failure: { readonly place: number; readonly error: Error } | undefined;
  #resolve: (outcomes: EventOutcome[]) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(events: number) {
    this.#events = events;
    this.#outcomes = Array.from<EventOutcome>({ length: events });
    this.outcomes = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (events === 0) this.#resolve([]);
  }

  /** Events that have their outcome. */
  get ended(): number {
    return this.#ended;
  }

  answer(place: number, outcome: EventOutcome): void {
    this.#outcomes[place] = outcome;
    this.#end();
  }

  fail(place: number, error: Error): void {
    if (!this.#failure || place < this.#failure.place) this.#failure = { place, error };
    this.#end();
  }

  #end(): void {
    this.#ended += 1;
    if (this.#ended < this.#events) return;
    if (this.#failure) this.#reject(this.#failure.error);
    else this.#resolve(this.#outcomes);
  }
}
