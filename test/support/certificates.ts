/** Certificates for a test: an authority, a server's and a client's, and another authority that nobody trusts. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';

/** Paths of PEM files. */
export interface Certificates {
  readonly ca: string;
  readonly otherCa: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
}

/** Makes them with openssl, in a folder. The server's is for 127.0.0.1 and localhost. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  mkdirSync(folder, { recursive: true });
  const at = (name: string): string => join(folder, name);
  const openssl = (line: string) => execa('openssl', line.split(' '), { timeout: 60_000 });
  const authority = async (name: string): Promise<void> => {
    await openssl(
      `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=${name} -keyout ${at(`${name}.key`)} -out ${at(`${name}.pem`)}`,
    );
  };
  await authority('ca');
  await authority('other');
  for (const name of ['server', 'client']) {
    writeFileSync(at(`${name}.ext`), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    await openssl(
      `req -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${at(`${name}.key`)} -out ${at(`${name}.csr`)}`,
    );
    await openssl(
      `x509 -req -in ${at(`${name}.csr`)} -CA ${at('ca.pem')} -CAkey ${at('ca.key')} -CAcreateserial -days 2 ` +
        `-extfile ${at(`${name}.ext`)} -out ${at(`${name}.pem`)}`,
    );
  }
  const pair = (name: string) => ({ cert: at(`${name}.pem`), key: at(`${name}.key`) });
  return { ca: at('ca.pem'), otherCa: at('other.pem'), server: pair('server'), client: pair('client') };
}
