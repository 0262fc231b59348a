/**
 * Which partition a user belongs to, and with it where an event is settled. The mapping is part of what is stored
 * (I10: the number of partitions is recorded with the stream), so neither the mix nor the remainder may ever change.
 * Workflow-side code imports this file: it uses nothing of Node.
 */
import type { SettlementEvent } from './event.ts';

/** At most this many partitions: far more than there is work to divide; each costs a workflow. */
export const PARTITIONS_MAX = 65_536;

/**
 * The partition of a user: mix(userId) mod `partitions`, on unsigned 64-bit integers, where mix is splitmix64's
 * finaliser (Stafford's variant 13 of MurmurHash3's; Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
 * generators"):
 *
 *     x ^= x >>> 30;  x *= 0xbf58476d1ce4e5b9;  x ^= x >>> 27;  x *= 0x94d049bb133111eb;  x ^= x >>> 31
 *
 * It is the finaliser alone: splitmix64 as a generator adds 0x9e3779b97f4a7c15 first, which is **not** done here, so
 * user 0 is in partition 0. Vectors are in test/data/partition-vectors.json.
 *
 * @param userId 0 … 2⁶³ − 1 (any further bits above 64 are dropped)
 * @param partitions 1 … {@link PARTITIONS_MAX}
 * @returns 0 … partitions − 1
 * @throws RangeError if `partitions` is no integer of that range
 */
export function partitionOf(userId: bigint, partitions: number): number {
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX) {
    throw new RangeError(`partitions is ${partitions}, not an integer of 1 to ${PARTITIONS_MAX}`);
  }
  // V8 compiles asUintN(64, …) to plain 64-bit arithmetic: measured as quick (70 ns) as two 32-bit halves in doubles.
  let x = BigInt.asUintN(64, userId);
  x = BigInt.asUintN(64, (x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n);
  x = BigInt.asUintN(64, (x ^ (x >> 27n)) * 0x94d049bb133111ebn);
  return Number((x ^ (x >> 31n)) % BigInt(partitions));
}

/** The partition in which an event is settled: a ledger event in its user's, a trade in its buyer's. */
export function partitionOfEvent(event: SettlementEvent, partitions: number): number {
  return partitionOf(event.kind === 'trade' ? event.buyerUserId : event.userId, partitions);
}
