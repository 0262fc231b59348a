/**
 * Mends how the driver (cassandra-driver 4.10.0) comes back after it has lost every node, and how it notices that a
 * connection is dead. Left alone, what it finds again is watched twice, so that at the next loss two searches begin, then
 * four: after a dozen outages a thousand connections, each of which looks for more. And a connection on which nothing comes
 * back any more, as where a byte of a TLS record's length was changed, is asked again and again, one time-out after another:
 * forever where it does not even know its keyspace yet.
 */
import { createRequire } from 'node:module';
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { type Client, errors } from 'cassandra-driver';

/** After a search that found nothing that stands, the next begins, ms. */
const SEARCH_MS = 1_000;
/** A connection on which a request has timed out is dead if nothing at all comes for so long, ms. */
const SILENCE_MS = 1_000;

/* What is used of the driver's insides. */
interface Connection extends EventEmitter {
  readonly connected: boolean;
  readonly isSocketOpen: boolean;
  readonly netClient: Socket;
  clearAndInvokePending(): void;
  close: (callback?: () => void) => void;
  closeAsync(): Promise<void>;
  sendStream: (
    request: unknown,
    options: unknown,
    callback: (error: unknown, ...more: unknown[]) => void,
  ) => unknown;
}
interface Host {
  readonly pool: { readonly connections: readonly Connection[] };
  initializePool(): void;
  shutdown(): Promise<void>;
}
interface ControlConnection extends EventEmitter {
  readonly connection: Connection | null;
  readonly hosts: { values(): readonly Host[] };
  readonly _isShuttingDown: boolean;
  readonly _profileManager: { getDistance(host: Host): unknown };
  _refresh(candidates?: unknown): Promise<void>;
  _createConnection(contactPoint: string): Promise<Connection>;
  _setHealthListeners(host: Host, connection: Connection): void;
  shutdown(): void;
}

const insides = createRequire(import.meta.url);
/** The heartbeat's request. */
const requests = insides('cassandra-driver/lib/requests') as { readonly options: unknown };

/** Connections that are being asked for a sign of life. */
const asked = new WeakSet<Connection>();

mendConnections();

/**
 * Mends a client that is not connected yet.
 *
 * - A search that is asked for while one is under way is that one; at its end it is seen whether what it found still stands.
 *   A connection is watched once, and one that a search opened and found wanting is closed.
 * - Where a search finds that its connection was taken away, it throws a TypeError that nobody catches, which would end the
 *   process: it is caught, and the search begins anew.
 * - A node that is found again gets a new host: its pool is filled, and the host before, which would go on connecting
 *   beyond the client's shutdown, is shut down.
 *
 * @returns what is to be called after `connect()`: `closeLeftOpen` where it succeeded, for what it opened and gave up;
 *   `giveUp` where it failed, for all that goes on in a client that never was connected
 */
export function mendDriver(client: Client): {
  readonly closeLeftOpen: () => void;
  readonly giveUp: () => void;
} {
  const { controlConnection: control } = client as unknown as {
    readonly controlConnection: ControlConnection;
  };
  client.on('hostRemove', (host: Host) => {
    host.shutdown().catch(() => undefined);
  });
  const refresh = control._refresh.bind(control);
  const createConnection = control._createConnection.bind(control);
  const setHealthListeners = control._setHealthListeners.bind(control);
  const watched = new WeakSet<Connection>();
  /** Opened by a search, which may have given them up. */
  const opened = new Set<Connection>();
  let isSearching = false;

  const closeLeftOpen = (): void => {
    const pooled = new Set(control.hosts.values().flatMap(({ pool }) => pool.connections));
    for (const connection of opened)
      if (!pooled.has(connection)) connection.closeAsync().catch(() => undefined);
    opened.clear();
  };
  const fillPools = (): void => {
    for (const host of control.hosts.values()) {
      // It tells the host how many connections it should have.
      control._profileManager.getDistance(host);
      host.initializePool();
    }
  };
  const shutDownHosts = (): void => {
    for (const host of control.hosts.values()) host.shutdown().catch(() => undefined);
  };
  let isNextPlanned = false;
  control.on('newConnection', (error?: unknown) => {
    // The driver has found no node, and has set the time of its next search.
    isNextPlanned ||= Boolean(error);
  });
  /** True where what was found stands, or the next search is planned. */
  const search = async (): Promise<boolean> => {
    isNextPlanned = false;
    try {
      await refresh();
      return isNextPlanned || (control.connection?.isSocketOpen ?? false);
    } catch {
      return false;
    }
  };

  control._createConnection = async (contactPoint) => {
    const connection = await createConnection(contactPoint);
    opened.add(connection);
    return connection;
  };
  control._setHealthListeners = (host, connection) => {
    if (watched.has(connection)) return;
    watched.add(connection);
    setHealthListeners(host, connection);
  };
  control._refresh = async (candidates) => {
    // The search itself, at its next candidate.
    if (candidates !== undefined) return refresh(candidates);
    if (isSearching) return;
    isSearching = true;
    const isDone = await search();
    isSearching = false;
    closeLeftOpen();
    if (control._isShuttingDown) {
      // What was found meanwhile came too late to be shut down with the rest.
      shutDownHosts();
      return;
    }
    fillPools();
    if (!isDone) setTimeout(() => void control._refresh(), SEARCH_MS).unref();
  };
  const giveUp = (): void => {
    control.shutdown();
    shutDownHosts();
    closeLeftOpen();
  };
  return { closeLeftOpen, giveUp };
}

/**
 * Mends the connections of all clients.
 *
 * - One that the server closes while it starts up would wait for its answer until that times out: it ends at once.
 * - One that the driver closes by itself, because a heartbeat or too many requests timed out, tells nobody, so that a control
 *   connection is not replaced: it tells.
 * - One on which a request timed out, and nothing comes although it is asked for a sign of life, is cut, and replaced.
 */
function mendConnections(): void {
  const { prototype } = insides('cassandra-driver/lib/connection') as { readonly prototype: Connection };
  const { close, sendStream } = prototype;
  prototype.close = function closeMended(this: Connection, callback) {
    const { connected } = this;
    if (!connected && !this.isSocketOpen) this.clearAndInvokePending();
    close.call(this, callback);
    if (connected) this.emit('socketClose');
  };
  prototype.sendStream = function sendMended(this: Connection, request, options, callback) {
    return sendStream.call(this, request, options, (error, ...more) => {
      if (error instanceof errors.OperationTimedOutError) cutIfSilent(this);
      callback(error, ...more);
    });
  };
}

/** A time-out alone may be the server's: it is slow, or dropped the request. Then it still answers that it is there. */
function cutIfSilent(connection: Connection): void {
  // Requests that were sent together time out together: one sign of life is enough.
  if (asked.has(connection)) return;
  asked.add(connection);
  const { netClient } = connection;
  const { bytesRead } = netClient;
  connection.sendStream(requests.options, null, () => undefined);
  setTimeout(() => {
    asked.delete(connection);
    if (netClient.bytesRead === bytesRead) netClient.destroy();
  }, SILENCE_MS).unref();
}
