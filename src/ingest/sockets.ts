/**
 * How every socket of an ingest is opened, and opened again where ZeroMQ gives it up. Dead peers are found by TCP
 * keepalive, not by ZeroMQ's heartbeats: a socket that holds pressure back does not answer those, is cut off, and drops
 * what is queued (measured).
 */
import type { Dealer, Pull } from 'zeromq';
import { secureSocket, type CurveOptions } from '../curve/sockets.ts';
import { reasonOf } from '../logging/reason-of.ts';

/** Where a socket of an ingest is. */
export interface IngestSocketOptions {
  readonly endpoint: string;
  /** True: we bind and the engine connects. */
  readonly bind: boolean;
  /** Our keys and the engine's; in the clear where left out. */
  readonly curve?: CurveOptions | undefined;
}

/** A socket's address cannot be bound or connected to; the message names it. */
export class EndpointError extends Error {
  override readonly name = 'EndpointError';
}

/** Options of every TCP socket of ours. */
export const CONNECTION = {
  tcpKeepalive: 1,
  tcpKeepaliveIdle: 10,
  tcpKeepaliveInterval: 5,
  tcpKeepaliveCount: 3,
  reconnectInterval: 100,
  reconnectMaxInterval: 2_000,
} as const;

/** A connection that ZeroMQ itself does not announce to open again within this time was given up by it. */
const GIVEN_UP_MS = 500;

/**
 * Binds or connects a socket.
 *
 * @throws {@link EndpointError}
 */
export async function openSocket(socket: Pull | Dealer, options: IngestSocketOptions): Promise<void> {
  const { endpoint, bind, curve } = options;
  try {
    if (curve) await secureSocket(socket, bind, curve);
    if (bind) await socket.bind(endpoint);
    else socket.connect(endpoint);
  } catch (error) {
    throw new EndpointError(`cannot ${bind ? 'bind' : 'connect to'} ${endpoint}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * Tells when ZeroMQ has given up a connection that we made, as it does for a peer that speaks otherwise. Returns what ends
 * the watching.
 */
export function watchGivenUp(socket: Pull | Dealer, onGivenUp: (address: string) => void): () => void {
  const { events } = socket;
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const expectRetry = (address: string): void => {
    clearTimeout(timer);
    if (isOver) return;
    timer = setTimeout(() => {
      onGivenUp(address);
    }, GIVEN_UP_MS);
  };
  for (const event of ['disconnect', 'handshake:error:protocol', 'handshake:error:other'] as const)
    events.on(event, ({ address }) => {
      expectRetry(address);
    });
  for (const event of ['connect:retry', 'connect:delay', 'connect'] as const)
    events.on(event, () => {
      clearTimeout(timer);
    });
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
