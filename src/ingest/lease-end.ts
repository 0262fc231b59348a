/** What a person is told where an ingest ends since its lease did. It says nothing about the stream, which goes on elsewhere. */
import type { LeaseEnding } from './lease.ts';
import { StreamStopped, type StopReason } from './stop.ts';

/** True for the reasons that mean that this ingest may not feed the stream any more. */
export function isLeaseEnd(reason: StopReason | undefined): boolean {
  return reason === 'lease-lost' || reason === 'lease-expired' || reason === 'lease-behind';
}

/** Why a lease ended, and what that means, for a person. */
export function leaseEndText(ending: LeaseEnding, lease: bigint): string {
  const problem = ending.kind === 'expired' && ending.problem !== undefined ? ` (${ending.problem})` : '';
  return ending.kind === 'lost'
    ? `another ingest has taken the stream over from lease ${lease}`
    : `lease ${lease} could not be renewed in time${problem}: this process was held up, or the database did not ` +
        `answer, and another ingest may have taken the stream over`;
}

/**
 * The stop of an ingest whose lease ended.
 *
 * @param sequence the first that it did not accept
 */
export function leaseEnded(ending: LeaseEnding, lease: bigint, sequence: bigint): StreamStopped {
  const rest =
    'Nothing more is sent under it; what it had sent on is settled or is sent again by the next ingest';
  return new StreamStopped({
    reason: ending.kind === 'lost' ? 'lease-lost' : 'lease-expired',
    sequence: sequence.toString(),
    message: `${leaseEndText(ending, lease)}. ${rest}`,
  });
}

/**
 * The stop of an ingest that holds the stream's lease, as the database has it, while the engine or a workflow has heard of a
 * higher one.
 *
 * @param sequence the first that it did not accept
 */
export function leaseBehind(lease: bigint, heard: bigint, sequence: bigint): StreamStopped {
  return new StreamStopped({
    reason: 'lease-behind',
    sequence: sequence.toString(),
    heard: heard.toString(),
    message: leaseBehindText(lease, heard),
  });
}

/** The same in words. */
export function leaseBehindText(lease: bigint, heard: bigint): string {
  return (
    `nobody holds a higher lease than ${lease} in this database, but engine or workflows have heard of lease ${heard}, and ` +
    `listen to no lower one: the database was restored to an earlier moment. A lease above ${heard} is taken`
  );
}
