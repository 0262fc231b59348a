/**
 * Who may connect to the CURVE sockets that this process binds: ZeroMQ asks a ZAP handler (RFC 27) about each client's
 * key, and there can be one in a process. It answers for each socket's own domain; what it does not know is refused, and
 * sockets are opened so that without it nobody gets in.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Router } from 'zeromq';
import { encodeZ85 } from './z85.ts';

/** Decides about one domain's clients. */
export interface Admission {
  /** True where this public key may connect. */
  isAllowed(key: string): boolean;
  /** Told of each that may not. */
  onRefused(key: string, address: string): void;
}

const ENDPOINT = 'inproc://zeromq.zap.01';
const KEY_BYTES = 32;
const BIND_ATTEMPTS_MAX = 100;
const BIND_PAUSE_MS = 20;

/** One handler for all sockets of the process; it lives as long as a domain is registered. */
class ZapHandler {
  readonly #socket = new Router({ linger: 0 });
  readonly #domains = new Map<string, Admission>();
  #opened: Promise<void> | undefined;
  #count = 0;

  get isUnused(): boolean {
    return this.#domains.size === 0;
  }

  /** Registers a domain; resolves with its name when clients can be asked about. */
  async add(admission: Admission): Promise<string> {
    this.#count += 1;
    const domain = `settled-${this.#count}`;
    this.#domains.set(domain, admission);
    this.#opened ??= this.#open();
    await this.#opened;
    return domain;
  }

  remove(domain: string): void {
    this.#domains.delete(domain);
  }

  close(): void {
    this.#socket.close();
  }

  async #open(): Promise<void> {
    // A handler that was closed a moment ago may still be there: ZeroMQ closes later.
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#socket.bind(ENDPOINT);
        break;
      } catch (error) {
        if (attempt >= BIND_ATTEMPTS_MAX)
          throw new Error(
            `this process has another ZAP handler, and ZeroMQ takes one: CURVE with an allow-list can't be served beside it`,
            { cause: error },
          );
        await sleep(BIND_PAUSE_MS);
      }
    }
    void this.#serve();
  }

  async #serve(): Promise<void> {
    try {
      for await (const frames of this.#socket) await this.#answer(frames);
    } catch {
      // Closed in the middle of an answer: nobody waits for it any more.
    }
  }

  /** Request: envelope, empty, version, id, domain, address, identity, mechanism, credentials. */
  async #answer(frames: readonly Buffer[]): Promise<void> {
    const bodyAt = frames.findIndex((frame, index) => index > 0 && frame.length === 0) + 1;
    const [version, id, domain, address, , mechanism, credentials] = frames.slice(bodyAt);
    if (!version || !id) return;
    const admission = this.#domains.get(domain?.toString() ?? '');
    const isKey = mechanism?.toString() === 'CURVE' && credentials?.length === KEY_BYTES;
    const key = isKey ? encodeZ85(credentials) : '';
    const isAllowed = isKey && (admission?.isAllowed(key) ?? false);
    if (!isAllowed) admission?.onRefused(key, address?.toString() ?? '');
    const [code, text] = isAllowed ? ['200', 'OK'] : ['400', 'this key may not connect'];
    await this.#socket.send([...frames.slice(0, bodyAt), version, id, code, text, key, '']);
  }
}

let handler: ZapHandler | undefined;

/**
 * Registers who may connect to a socket.
 *
 * @returns the ZAP domain to give the socket, and what ends the registration
 * @throws Error if another part of the process has a ZAP handler of its own
 */
export async function admit(admission: Admission): Promise<{ domain: string; end: () => void }> {
  handler ??= new ZapHandler();
  const ours = handler;
  const release = (domain: string): void => {
    ours.remove(domain);
    if (!ours.isUnused) return;
    ours.close();
    if (handler === ours) handler = undefined;
  };
  try {
    const domain = await ours.add(admission);
    return {
      domain,
      end: () => {
        release(domain);
      },
    };
  } catch (error) {
    ours.close();
    if (handler === ours) handler = undefined;
    throw error;
  }
}
