/** What an ingest tells of its connections: who was refused, and what a change means. */
import { RefusedPeers } from '../curve/refused.ts';
import type { CurveOptions } from '../curve/sockets.ts';
import { Seldom } from '../logging/seldom.ts';
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

/**
 * Says what happens to connections, and what it means. Who connects again and again may do so from anywhere: that is told of
 * a few times, and then seldom.
 */
export function connectionLog(
  options: Pick<IngestOptions, 'log' | 'bind'>,
): (change: ConnectionChange, address: string) => void {
  const seldom = new Seldom<ConnectionChange>();
  return (change, address) => {
    if (change === 'ready') return;
    const untold = seldom.note(change);
    if (untold !== undefined) tell(options, change, { address, ...(untold > 0 && { untold }) });
  };
}

function tell(
  { log, bind }: Pick<IngestOptions, 'log' | 'bind'>,
  change: Exclude<ConnectionChange, 'ready'>,
  fields: object,
): void {
  if (change === 'opened') log.info(fields, 'connection opened');
  else if (change === 'unauthorized')
    log.error(
      fields,
      'the engine does not let us in, or is another than we were told: its list must have our CURVE public key, and our ' +
        'peer keys its own, or both sides must speak in the clear; trying again',
    );
  else if (change === 'refused')
    log.error(
      fields,
      'connection refused by the transport: a frame above 1 MiB came, or no ZeroMQ; what the engine had sent after it is lost, and is asked for again where it has a control socket',
    );
  else
    log.warn(
      fields,
      bind ? 'connection closed: by the engine, or by us for a frame above 1 MiB' : 'connection closed',
    );
}
