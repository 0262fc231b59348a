/** What an ingest tells of its connections: who was refused, and what a change means. */
import { RefusedPeers } from '../curve/refused.ts';
import type { CurveOptions } from '../curve/sockets.ts';
import type { IngestOptions } from './options.ts';
import type { ConnectionChange } from './receiver.ts';

/** Counts peers that were refused, and tells of them now and then. */
export function refusedPeers({ log }: IngestOptions): RefusedPeers {
  return new RefusedPeers((peer, total) => {
    log.warn(
      { ...peer, total },
      'peer refused: only keys of SETTLED_INGEST_CURVE_PEER_KEYS_PATH may connect',
    );
  });
}

/** The same CURVE options, with each refusal noted. */
export function countingRefused(curve: CurveOptions, refused: RefusedPeers): CurveOptions {
  return {
    ...curve,
    onRefused: (peer) => {
      refused.note(peer);
    },
  };
}

/** Says what happened to a connection, and what it means. */
export function logConnection({ log, bind }: IngestOptions, change: ConnectionChange, address: string): void {
  if (change === 'ready') return;
  if (change === 'opened') log.info({ address }, 'connection opened');
  else if (change === 'unauthorized')
    log.error(
      { address },
      'the engine does not let us in, or is another than we were told: its list must have our CURVE public key, and our ' +
        'peer keys its own, or both sides must speak in the clear; trying again',
    );
  else if (change === 'refused')
    log.error(
      { address },
      'connection refused by the transport: a frame above 1 MiB came, or no ZeroMQ; what the engine had sent after it is lost, and is asked for again where it has a control socket',
    );
  else
    log.warn(
      { address },
      bind ? 'connection closed: by the engine, or by us for a frame above 1 MiB' : 'connection closed',
    );
}
