/**
 * The far end of a link in TLS: it ends the encryption that client and proxy carry, and speaks plainly with the server
 * behind. A byte that the proxy changes on the way is then found by TLS, as on any link that deserves trust: neither
 * Cassandra's protocol nor HTTP/2 has a checksum of its own.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { execa } from 'execa';
import type { AddressInfo } from 'node:net';
import type { Address } from './proxy.ts';

/** A certificate for loopback addresses, and the authority that signed it. */
export interface Certificate {
  readonly caPath: string;
  readonly certPath: string;
  readonly keyPath: string;
}

/**
 * Makes a certificate with the machine's openssl.
 *
 * @throws Error where there is none
 */
export async function makeCertificate(folder: string, addresses: readonly string[]): Promise<Certificate> {
  const path = (name: string): string => join(folder, name);
  const names = ['DNS:localhost', ...addresses.map((address) => `IP:${address}`)].join(',');
  const config = path('openssl.cnf');
  writeFileSync(
    config,
    `[req]
distinguished_name = name
prompt = no
[name]
CN = localhost
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = keyCertSign
[end]
basicConstraints = critical,CA:FALSE
subjectAltName = ${names}
`,
  );
  const [caPath, caKeyPath] = [path('ca-cert.pem'), path('ca-key.pem')];
  const [certPath, keyPath] = [path('tls-cert.pem'), path('tls-key.pem')];
  const request = ['req', '-x509', '-config', config, '-days', '2', '-nodes', '-newkey', 'ec'];
  request.push('-pkeyopt', 'ec_paramgen_curve:prime256v1');
  await execa('openssl', [...request, '-extensions', 'authority', '-keyout', caKeyPath, '-out', caPath]);
  const signed = ['-CA', caPath, '-CAkey', caKeyPath];
  await execa('openssl', [...request, '-extensions', 'end', ...signed, '-keyout', keyPath, '-out', certPath]);
  return { caPath, certPath, keyPath };
}

/** One listening end. */
export class TlsEnd {
  /** Connections that TLS gave up, for a changed byte or a peer that went. */
  errors = 0;
  readonly #server: Server;
  readonly #sockets = new Set<{ destroy(): void }>();

  private constructor(certificate: Certificate, target: Address) {
    this.#server = createServer(
      {
        cert: readFileSync(certificate.certPath),
        key: readFileSync(certificate.keyPath),
        // Temporal's clients speak HTTP/2 and insist on saying so.
        ALPNProtocols: ['h2', 'http/1.1'],
      },
      (socket) => this.#take(socket, target),
    );
    this.#server.on('tlsClientError', () => (this.errors += 1));
  }

  static async open(certificate: Certificate, target: Address, host = '127.0.0.1'): Promise<TlsEnd> {
    const end = new TlsEnd(certificate, target);
    await new Promise<void>((resolve, reject) => {
      end.#server.once('error', reject);
      end.#server.listen(0, host, resolve);
    });
    return end;
  }

  get address(): Address {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #take(near: TLSSocket, target: Address): void {
    const far = connect({ ...target, noDelay: true });
    near.setNoDelay(true);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => (this.errors += 1));
      socket.once('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    near.pipe(far);
    far.pipe(near);
  }
}
