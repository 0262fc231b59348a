/** How a worker keeps a conflict that the settle activity found: as a row of the quarantine, on one connection. */
import type { Client } from 'cassandra-driver';
import type { SettleDependencies } from '../activities/settle.ts';
import { rowOf } from '../domain/chunk.ts';
import { eventId } from '../domain/event.ts';
import { writeQuarantined } from '../ledger/quarantine.ts';

/** Keeps conflicts in the database of a client. */
export function quarantineWith(client: Client): SettleDependencies['quarantine'] {
  return ({ stream, partition }, conflict, event) =>
    writeQuarantined(client, {
      stream,
      sequence: event.sequence,
      partition,
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
