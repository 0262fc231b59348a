/**
 * Rounds: all partitions send what has gathered at one moment, then gather again while it is settled. So what is sent
 * is always a prefix of the stream: no event under way waits for one that another partition still keeps back, and
 * chunks grow with the load by themselves. A lone event leaves at once. Beside another, a round leaves when it is full,
 * so that one is settled while the next travels and an Update carries as much as it may: each costs Temporal about the
 * same, however little is in it.
 */

/** One that is not full leaves beside another only where nothing has left for so long: something waits there, ms. */
const BESIDE_MS = 2_000;
/** A round that is not back by then no longer keeps others from leaving: some partition may wait for a person, ms. */
const ROUND_MS_MAX = 5_000;

/** What rounds need of their surroundings. */
export interface RoundsOptions {
  /** Sends what has gathered; one promise a chunk, resolved when it came back, settled or not. */
  cut(): readonly Promise<void>[];
  pause(ms: number): Promise<void>;
  /** Events that have gathered. */
  gathered(): number;
  /** Events that make a full round. */
  readonly full: number;
  /** Rounds under way at once, when they are full. */
  readonly roundsMax: number;
}

/** Decides when the next round leaves. */
export class Rounds {
  readonly #options: RoundsOptions;
  #underWay = 0;
  #pumping = false;
  #hurrying = false;
  /** True once nothing has left for {@link BESIDE_MS}. */
  #isOverdue = false;
  #left = 0;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Something gathered, or may go on. It leaves in the next turn: events that are released together leave together. */
  wake(): void {
    if (this.#pumping || !this.#mayLeave()) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      const chunks = this.#mayLeave() ? this.#options.cut() : [];
      if (chunks.length > 0) void this.#run(chunks);
    });
  }

  async #run(chunks: readonly Promise<void>[]): Promise<void> {
    this.#underWay += 1;
    this.#isOverdue = false;
    this.#left += 1;
    void this.#overdueAfter(this.#left);
    await Promise.race([Promise.all(chunks), this.#options.pause(ROUND_MS_MAX)]);
    this.#underWay -= 1;
    this.wake();
  }

  async #overdueAfter(round: number): Promise<void> {
    await this.#options.pause(BESIDE_MS);
    if (round !== this.#left) return;
    this.#isOverdue = true;
    this.wake();
  }

  /** Nothing more will come: from now on whatever gathers leaves at once. */
  hurry(): void {
    this.#hurrying = true;
    this.wake();
  }

  #mayLeave(): boolean {
    const { full, roundsMax } = this.#options;
    if (this.#hurrying || this.#underWay === 0) return true;
    return this.#underWay < roundsMax && (this.#isOverdue || this.#options.gathered() >= full);
  }
}
