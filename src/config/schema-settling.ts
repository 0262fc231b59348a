/**
 * The settings of settlement itself: the stream, its way in, and the limits on its way through.
 */
import { z } from 'zod';
import { INSTRUMENTS_ALLOWED, parseInstruments } from './instruments.ts';
import { count, filePath, KIB, size } from './kinds.ts';
import { optionalSetting, setting } from './setting.ts';
import { flag, oneOf, text, zmqEndpointPattern } from './values.ts';

/** What is settled. */
export const stream = z.object({
  name: setting(
    { variable: 'SETTLED_STREAM', description: 'The name of the stream.' },
    'up to 40 lower-case letters, digits and dashes',
    text(/^[a-z0-9-]{1,40}$/),
    'main',
  ),
  kind: setting(
    {
      variable: 'SETTLED_STREAM_KIND',
      description: 'Whether the engine numbers every message and can send again, or only numbers trades.',
    },
    'numbered or classic',
    oneOf('numbered', 'classic'),
    'numbered',
  ),
  partitions: count(
    'SETTLED_PARTITIONS',
    'Partitions over which users are spread; each is a workflow, so at most so many workers share a stream. Recorded with the stream: it can never be changed afterwards (I10).',
    1,
    1024,
    8,
  ),
  instruments: setting(
    {
      variable: 'SETTLED_INSTRUMENTS',
      description: "Instruments whose price × quantity is divided to give the quote asset's smallest unit.",
    },
    INSTRUMENTS_ALLOWED,
    parseInstruments,
    [],
    '[]',
  ),
});

/** How a stream is taken from its engine. */
export const ingest = z.object({
  endpoint: setting(
    { variable: 'SETTLED_INGEST_ENDPOINT', description: "The engine's PUSH socket, or ours where we bind." },
    'a ZeroMQ endpoint, tcp://host:port or ipc://path',
    text(zmqEndpointPattern),
    'tcp://127.0.0.1:5557',
  ),
  controlEndpoint: optionalSetting(
    {
      variable: 'SETTLED_INGEST_CONTROL_ENDPOINT',
      description:
        "The engine's control socket, or ours where we bind: there the engine is asked to send again what was lost on " +
        'the wire, and told what is settled. Left out for an engine that can do neither; then a hole stops the stream.',
    },
    'a ZeroMQ endpoint, tcp://host:port or ipc://path',
    text(zmqEndpointPattern),
  ),
  bind: setting(
    {
      variable: 'SETTLED_INGEST_BIND',
      description: 'Whether we bind the endpoints and the engine connects to us.',
    },
    'true or false',
    flag,
    false,
  ),
  maxInFlightEvents: count(
    'SETTLED_INGEST_MAX_IN_FLIGHT_EVENTS',
    'Events received and not yet settled, at most; past it the socket is not read and the engine is held up (I7).',
    1,
    1_000_000,
    10_000,
  ),
  chunkEventsMax: count('SETTLED_INGEST_CHUNK_EVENTS_MAX', 'Events in one Update, at most.', 1, 5_000, 1_000),
  chunkBytesMax: size(
    'SETTLED_INGEST_CHUNK_BYTES_MAX',
    "Bytes of one Update's payload, at most. Temporal warns above 512 KiB and fails above 2 MiB.",
    16 * KIB,
    500 * KIB,
    300 * KIB,
  ),
  curveKeyPath: filePath(
    'SETTLED_INGEST_CURVE_SECRET_KEY_PATH',
    "File with our CURVE secret key, its owner's alone (`settled keygen`). With it the engine's sockets are encrypted, " +
      'and both sides known by their keys; without it they are in the clear.',
  ),
  curvePeersPath: filePath(
    'SETTLED_INGEST_CURVE_PEER_KEYS_PATH',
    "File with the engine's CURVE public key. Where we bind, it may list several, a line each: nobody else gets in.",
  ),
  leaseMs: count(
    'SETTLED_INGEST_LEASE_MS',
    'How long the lease of an ingest is good after each renewal, in ms. An ingest that cannot renew it for nine tenths ' +
      'of that ends its stream and stands by (--no-standby: ends); one that stands by takes over eleven tenths of it ' +
      'after another was last heard of.',
    1_000,
    600_000,
    10_000,
  ),
  receiveHighWaterMark: count(
    'SETTLED_INGEST_RECEIVE_HIGH_WATER_MARK',
    "Messages in ZeroMQ's receive buffer, about.",
    1,
    1_000_000,
    1_000,
  ),
});

/** The limits of a worker's settler. */
export const settlement = z.object({
  groupEventsMax: count(
    'SETTLED_SETTLEMENT_GROUP_EVENTS_MAX',
    'Events in one LOGGED BATCH, at most.',
    1,
    1_000,
    100,
  ),
  groupBytesMax: size(
    'SETTLED_SETTLEMENT_GROUP_BYTES_MAX',
    'Encoded bytes of one LOGGED BATCH, at most (I5). Cassandra fails batches above 50 KiB.',
    17 * KIB,
    49 * KIB,
    46 * KIB,
  ),
  batchesInFlightMax: count(
    'SETTLED_SETTLEMENT_BATCHES_IN_FLIGHT_MAX',
    'LOGGED BATCHes that a worker has under way at once, at most.',
    1,
    1_024,
    8,
  ),
  readsInFlightMax: count(
    'SETTLED_SETTLEMENT_READS_IN_FLIGHT_MAX',
    'Reads that a worker has under way at once, at most.',
    1,
    2_048,
    256,
  ),
  attemptMs: count(
    'SETTLED_SETTLEMENT_ATTEMPT_MS',
    'How long one attempt of the activity may wait for predecessors while nothing of its chunk settles, before it ' +
      'returns the remainder as behind. Four times this must stay below the 30 s that an attempt may take in all.',
    100,
    7_000,
    5_000,
  ),
  doubtMs: count(
    'SETTLED_SETTLEMENT_DOUBT_MS',
    "How long an event may be in doubt before a later read makes it a conflict: Cassandra's batch log must have " +
      'been replayed by then.',
    1_000,
    3_600_000,
    30_000,
  ),
  writeRetryMsMax: count(
    'SETTLED_SETTLEMENT_WRITE_RETRY_MS_MAX',
    'How long a batch that timed out is sent again, unchanged, before the attempt fails (I5).',
    100,
    600_000,
    30_000,
  ),
});
