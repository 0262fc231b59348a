/** How a worker keeps a conflict that the settle activity found: as a row of the quarantine, on one connection. */
import type { Client } from 'cassandra-driver';
import type { SettleDependencies } from '../activities/settle.ts';
import { rowOf } from '../domain/chunk.ts';
import { eventId, type SettlementEvent } from '../domain/event.ts';
import { writeQuarantined } from '../ledger/quarantine.ts';

/** @param partitionOf the partition that owns an event */
export function quarantineWith(
  client: Client,
  partitionOf: (event: SettlementEvent) => number,
): SettleDependencies['quarantine'] {
  return (stream, conflict, event) =>
    writeQuarantined(client, {
      stream,
      sequence: event.sequence,
      partition: partitionOf(event),
      kind: event.kind,
      id: eventId(event),
      reason: conflict.reason,
      userId: BigInt(conflict.user),
      assetId: conflict.asset,
      expected: BigInt(conflict.expected),
      found: BigInt(conflict.found),
      foundAtMs: Date.now(),
      row: rowOf({ event, predecessors: [] }),
    });
}
