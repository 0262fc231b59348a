/**
 * CURVE on a socket: encrypted, both sides known by their keys. The side that binds is CURVE's server and lets in whom its
 * list allows; the side that connects knows the server's key and speaks with no other. Without a ZAP handler nobody gets in.
 */
import type { Socket } from 'zeromq';
import type { CurveKeys, NamedKey } from './keys.ts';
import { admit } from './zap.ts';

/** Our keys, and the peers that may speak with us. */
export interface CurveOptions {
  readonly keys: CurveKeys;
  /** Where we bind: all that may connect. Where we connect: the one key of who binds. */
  readonly peers: readonly NamedKey[];
  /** Told of each peer that was refused, on the side that binds. */
  readonly onRefused?: (refused: RefusedPeer) => void;
}

/**
 * Why a peer was refused. `unknown-key`: its key is not on the list; `no-curve`: it speaks in the clear, or another
 * mechanism; `handshake`: it took us for another, or speaks no ZeroMQ.
 */
export type RefusedKind = 'unknown-key' | 'no-curve' | 'handshake';

/** A peer that was refused. */
export interface RefusedPeer {
  readonly kind: RefusedKind;
  /** Its public key, where it showed one. */
  readonly key?: string;
  /** Its address where that is known, else ours. */
  readonly address: string;
}

/** More peers than one can't be connected to. */
export class CurvePeersError extends Error {
  override readonly name = 'CurvePeersError';
}

/**
 * Sets CURVE up on a socket that is neither bound nor connected yet. Its list ends with the socket.
 *
 * @param bind true where the socket will be bound
 * @throws {@link CurvePeersError} where the socket will be connected and there is not exactly one peer's key
 */
export async function secureSocket(
  socket: Socket,
  bind: boolean,
  { keys, peers, onRefused }: CurveOptions,
): Promise<void> {
  socket.curveSecretKey = keys.secretKey.reveal();
  socket.curvePublicKey = keys.publicKey;
  if (!bind) {
    const [server, ...more] = peers;
    if (!server || more.length > 0)
      throw new CurvePeersError(
        `a socket that connects needs the public key of the one that binds, and only that: ${peers.length} are given`,
      );
    socket.curveServerKey = server.key;
    return;
  }
  const allowed = new Set(peers.map(({ key }) => key));
  const { domain, end } = await admit({
    isAllowed: (key) => allowed.has(key),
    onRefused: (key, address) => {
      onRefused?.({ kind: 'unknown-key', ...(key === '' ? {} : { key }), address });
    },
  });
  socket.curveServer = true;
  socket.zapDomain = domain;
  // Without a handler ZeroMQ would let everybody in.
  socket.zapEnforceDomain = true;
  socket.events.on('handshake:error:protocol', ({ error, address }) => {
    const kind = error.code === 'ERR_ZMTP_MECHANISM_MISMATCH' ? 'no-curve' : 'handshake';
    onRefused?.({ kind, address });
  });
  socket.events.on('end', end);
}
