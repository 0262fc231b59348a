/**
 * How every socket of the engine's side is opened. Dead peers are found by TCP keepalive, not by ZMTP heartbeats, on
 * purpose: a peer that stops reading under backpressure cannot answer a heartbeat, the connection is cut as dead, and all
 * that was queued for it is lost (measured).
 */
import type { Push, Router } from 'zeromq';
import { secureSocket, type CurveOptions } from '../curve/sockets.ts';
import { reasonOf } from '../logging/reason-of.ts';

/** Where a socket of the engine is. */
export interface EngineSocketOptions {
  /** `tcp://HOST:PORT`. When binding, port `0` or `*` takes a free one. */
  readonly endpoint: string;
  /** Connect to a peer that binds. @default false: bind */
  readonly connect?: boolean;
  /** Our keys and those of the ingests that may connect; in the clear where left out. */
  readonly curve?: CurveOptions | undefined;
}

/** The socket could not be opened. */
export class PublisherOpenError extends Error {
  readonly endpoint: string;

  constructor(endpoint: string, action: string, cause: unknown) {
    super(`cannot ${action} ${endpoint}: ${reasonOf(cause)}`, {
      cause,
    });
    this.name = 'PublisherOpenError';
    this.endpoint = endpoint;
  }
}

/** Options of every TCP socket of ours. */
export const KEEPALIVE = {
  tcpKeepalive: 1,
  tcpKeepaliveIdle: 15,
  tcpKeepaliveInterval: 5,
  tcpKeepaliveCount: 3,
} as const;

/**
 * Binds or connects a socket, and closes it where that fails.
 *
 * @returns where it is, with the port that was taken
 * @throws {@link PublisherOpenError}
 */
export async function openSocket(socket: Push | Router, options: EngineSocketOptions): Promise<string> {
  const { endpoint, connect = false, curve } = options;
  try {
    if (curve) await secureSocket(socket, !connect, curve);
    if (connect) {
      socket.connect(endpoint);
      return endpoint;
    }
    await socket.bind(endpoint.replace(/:0$/, ':*'));
    return socket.lastEndpoint ?? endpoint;
  } catch (error) {
    socket.close();
    throw new PublisherOpenError(endpoint, connect ? 'connect to' : 'bind', error);
  }
}
