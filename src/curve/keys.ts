/**
 * CURVE keys and their files. A secret key's file must be its owner's alone; its public key follows from it. Public keys
 * stand in files of their own, a line each, with a name if one is wanted: the allow-list of who may connect.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import { curveKeyPair } from 'zeromq';
import { Secret } from '../config/index.ts';
import { reasonOf } from '../logging/reason-of.ts';
import { decodeZ85, encodeZ85 } from './z85.ts';

/** A key pair, each key 40 characters of Z85. */
export interface CurveKeys {
  readonly publicKey: string;
  readonly secretKey: Secret;
}

/** A public key and whose it is. */
export interface NamedKey {
  readonly key: string;
  /** As the file calls it; empty where it does not. */
  readonly name: string;
}

/** A key file can't be used; the message says why and what to do. It never shows a secret. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
  readonly path: string;

  constructor(path: string, problem: string) {
    super(`${path} ${problem}`);
    this.path = path;
  }
}

const KEY_BYTES = 32;
const NOT_OWNER_BITS = 0o077;
const SECRET_MODE = 0o600;
/** DER before the 32 bytes of an X25519 private key (RFC 8410). */
const X25519_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');
/** Lines that start with this are comments: no key has a space. */
const COMMENT = '# ';

/** A new random key pair. */
export function newCurveKeys(): CurveKeys {
  const { publicKey, secretKey } = curveKeyPair();
  return { publicKey, secretKey: new Secret(secretKey) };
}

/** The public key of a secret one: CURVE's keys are those of X25519. Undefined where that is no key. */
export function publicKeyOf(secretKey: string): string | undefined {
  const bytes = decodeZ85(secretKey);
  if (bytes?.length !== KEY_BYTES) return undefined;
  const key = createPrivateKey({ key: Buffer.concat([X25519_PREFIX, bytes]), format: 'der', type: 'pkcs8' });
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return encodeZ85(Buffer.from(x, 'base64url'));
}

/**
 * Reads the pair of a secret key's file.
 *
 * @throws {@link KeyFileError} if others may read it, or it holds no secret key
 */
export function readCurveKeys(path: string): CurveKeys {
  const text = readOwned(path);
  const [secretKey, ...more] = keyLines(text);
  const publicKey = secretKey === undefined ? undefined : publicKeyOf(secretKey);
  if (secretKey === undefined || publicKey === undefined || more.length > 0)
    throw new KeyFileError(
      path,
      'holds no CURVE secret key (one line of 40 characters): make one with "settled keygen"',
    );
  return { publicKey, secretKey: new Secret(secretKey) };
}

/** The file's text; it is looked at and read through one descriptor, so that nobody swaps it in between. */
function readOwned(path: string): string {
  const file = openFile(path);
  try {
    const { mode } = fstatSync(file);
    if (process.platform !== 'win32' && (mode & NOT_OWNER_BITS) !== 0)
      throw new KeyFileError(
        path,
        `is a secret key that others may read (mode 0${(mode & 0o777).toString(8)}): make it its owner's alone with ` +
          `"chmod 600 ${path}", and make a new key if anybody else may have read it`,
      );
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new KeyFileError(path, `can't be read: ${reasonOf(error)}`);
  }
}

/**
 * Reads public keys: a line each, the key, then a name if one is wanted. Lines that start with `# ` are comments.
 *
 * @throws {@link KeyFileError} naming the first line that is none, or if there is no key at all
 */
export function readPublicKeys(path: string): NamedKey[] {
  const file = openFile(path);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
  const keys = keyLines(text).map((line, index): NamedKey => {
    const [, key = '', name = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
    if (decodeZ85(key)?.length !== KEY_BYTES)
      throw new KeyFileError(path, `: key ${index + 1} is no CURVE public key (40 characters of Z85)`);
    return { key, name: name.trim() };
  });
  if (keys.length === 0) throw new KeyFileError(path, 'holds no public key');
  return keys;
}

function keyLines(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith(COMMENT));
}

/** Where a pair was written. */
export interface KeyFiles {
  readonly secretPath: string;
  readonly publicPath: string;
}

/**
 * Writes a pair: `BASE.key`, its owner's alone, and `BASE.pub`. Overwrites nothing.
 *
 * @param base path of both files without their endings
 * @param name whose key it is, for allow-lists
 * @throws {@link KeyFileError} if one of them is there
 */
export function writeCurveKeys(base: string, name: string, keys: CurveKeys): KeyFiles {
  const [secretPath, publicPath] = [`${base}.key`, `${base}.pub`];
  writeNew(
    secretPath,
    SECRET_MODE,
    `# CURVE secret key of ${name}. Keep it to its owner.\n${keys.secretKey.reveal()}\n`,
  );
  writeNew(publicPath, 0o644, `# CURVE public key of ${name}.\n${keys.publicKey} ${name}\n`);
  return { secretPath, publicPath };
}

function writeNew(path: string, mode: number, text: string): void {
  let file: number;
  try {
    file = openSync(path, 'wx', mode);
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST';
    throw new KeyFileError(
      path,
      isThere ? 'is there already and is not overwritten' : `can't be written: ${String(error)}`,
    );
  }
  try {
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
}
