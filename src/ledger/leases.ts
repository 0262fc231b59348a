/**
 * The lease of a stream: a fencing number that grows each time an ingest takes the stream over. Chunks and lines carry
 * it, workflows refuse a lower one, so an ingest that was replaced can do no harm. Lightweight transactions, on this
 * table alone.
 */
import { types, type Client } from 'cassandra-driver';

const LWT = { prepare: true, isIdempotent: false, serialConsistency: types.consistencies.localSerial };

/**
 * Takes the stream's next fencing number.
 *
 * @param holder who takes it, for people: host and process id
 * @throws Error if others take it all the time
 */
export async function takeLease(client: Client, stream: string, holder: string): Promise<bigint> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const current = await readLease(client, stream);
    const next = current + 1n;
    const result =
      current === 0n
        ? await client.execute(
            'INSERT INTO leases (stream, lease, holder) VALUES (?, ?, ?) IF NOT EXISTS',
            [stream, next, holder],
            LWT,
          )
        : await client.execute(
            'UPDATE leases SET lease = ?, holder = ? WHERE stream = ? IF lease = ?',
            [next, holder, stream, current],
            LWT,
          );
    if (result.wasApplied()) return next;
  }
  throw new Error(`stream ${stream}: other processes keep taking its lease; run one ingest a stream`);
}

/** The newest fencing number of a stream, 0 where none was taken. Linearizable. */
export async function readLease(client: Client, stream: string): Promise<bigint> {
  const result = await client.execute('SELECT lease FROM leases WHERE stream = ?', [stream], {
    prepare: true,
    consistency: types.consistencies.localSerial,
  });
  return ((result.first() as types.Row | null)?.['lease'] as bigint | null | undefined) ?? 0n;
}
