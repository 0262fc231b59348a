/**
 * Versions of the balances that have events in flight (I1c). An event that does not continue them is refused; a leg
 * that continues one in flight learns its predecessor's sequence, which the balance must name as its last. A balance
 * is followed only as long as events of it are in flight, so the memory is bounded by those.
 */
import { balanceName } from '../domain/balance.ts';
import { describeEvent, type SettlementEvent } from '../domain/event.ts';
import type { Touch } from '../domain/legs.ts';
import { StreamStopped } from './stop.ts';

interface Followed {
  version: bigint;
  lastSequence: bigint;
  inFlight: number;
}

/** Follows the balances of events in flight. */
export class FollowedBalances {
  readonly #balances = new Map<string, Followed>();

  /** Balances with events in flight. */
  get size(): number {
    return this.#balances.size;
  }

  /**
   * Takes an event in.
   *
   * @returns the predecessors of its touches, in their order
   * @throws {@link StreamStopped} `version-mismatch` if it does not continue what is in flight; nothing is taken in then
   */
  accept(event: SettlementEvent, touches: readonly Touch[]): (bigint | undefined)[] {
    for (const touch of touches) {
      const followed = this.#balances.get(balanceName(touch));
      if (followed && followed.version !== touch.expectedVersion)
        throw versionMismatch(event, touch, followed.version);
    }
    return touches.map((touch) => {
      const name = balanceName(touch);
      const followed = this.#balances.get(name);
      if (!followed) {
        this.#balances.set(name, { version: touch.afterVersion, lastSequence: event.sequence, inFlight: 1 });
        return undefined;
      }
      const predecessor = followed.lastSequence;
      followed.version = touch.afterVersion;
      followed.lastSequence = event.sequence;
      followed.inFlight += 1;
      return predecessor;
    });
  }

  /** An event that is settled. */
  release(touches: readonly Touch[]): void {
    for (const touch of touches) {
      const name = balanceName(touch);
      const followed = this.#balances.get(name);
      if (!followed) continue;
      followed.inFlight -= 1;
      if (followed.inFlight === 0) this.#balances.delete(name);
    }
  }
}

/** The stop for a version that does not continue its balance. */
export function versionMismatch(event: SettlementEvent, touch: Touch, expected: bigint): StreamStopped {
  return new StreamStopped({
    reason: 'version-mismatch',
    sequence: event.sequence.toString(),
    event: describeEvent(event),
    user: touch.userId.toString(),
    asset: touch.assetId,
    expected: expected.toString(),
    stated: touch.expectedVersion.toString(),
    message:
      `${describeEvent(event)} states version ${touch.expectedVersion} for balance ${balanceName(touch)}, which the ` +
      `events before it leave at version ${expected}: an event before it is missing, or the engine stated a wrong ` +
      `one. Compare the engine's book with "settled verify --oracle"; nothing from this event on is settled`,
  });
}
