/** Things done one at a time: of those that wait, the one of the lowest rank first. */
export class Turns {
  readonly #waiting: { readonly rank: bigint; readonly begin: () => void }[] = [];
  #isTaken = false;

  /** Does it when nothing else is being done and nothing of a lower rank waits. */
  async take<T>(rank: bigint, action: () => Promise<T>): Promise<T> {
    if (this.#isTaken) await this.#turn(rank);
    this.#isTaken = true;
    try {
      return await action();
    } finally {
      const next = this.#waiting.shift();
      if (next) next.begin();
      else this.#isTaken = false;
    }
  }

  #turn(rank: bigint): Promise<void> {
    return new Promise((begin) => {
      const place = this.#waiting.findIndex((other) => other.rank > rank);
      this.#waiting.splice(place < 0 ? this.#waiting.length : place, 0, { rank, begin });
    });
  }
}
