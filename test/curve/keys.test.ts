/** Keys and their files: Z85, the public key of a secret one, and files that are their owner's alone. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { curveKeyPair } from 'zeromq';
import { afterAll, describe, expect, it } from 'vitest';
import {
  KeyFileError,
  newCurveKeys,
  readCurveKeys,
  readPublicKeys,
  writeCurveKeys,
} from '../../src/curve/index.ts';
import { publicKeyOf } from '../../src/curve/keys.ts';
import { decodeZ85, encodeZ85 } from '../../src/curve/z85.ts';

const folder = mkdtempSync(join(tmpdir(), 'settled-keys-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('Z85', () => {
  it('is that of RFC 32', () => {
    const bytes = Buffer.from('864fd26fb559f75b', 'hex');
    expect(encodeZ85(bytes)).toBe('HelloWorld');
    expect(decodeZ85('HelloWorld')).toEqual(bytes);
    const key = 'JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6';
    expect(encodeZ85(decodeZ85(key)!)).toBe(key);
  });

  it('leads back to the bytes, whatever they are', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 4, maxLength: 4 }), { maxLength: 12 }), (words) => {
        const bytes = Buffer.concat(words);
        expect(decodeZ85(encodeZ85(bytes))).toEqual(bytes);
      }),
    );
  });

  it.each(['abc', 'abcd\u0020', 'ab"cd', '#####', 'a\\bcd'])('%s is none', (text) => {
    expect(decodeZ85(text)).toBeUndefined();
  });
});

describe('a key pair', () => {
  it('has the public key that ZeroMQ gives it', () => {
    for (let count = 0; count < 20; count += 1) {
      const { publicKey, secretKey } = curveKeyPair();
      expect(publicKeyOf(secretKey)).toBe(publicKey);
    }
  });

  it('shows its secret to nobody', () => {
    const keys = newCurveKeys();
    const secret = keys.secretKey.reveal();
    for (const text of [inspect(keys, { depth: 9 }), JSON.stringify(keys), String(keys.secretKey)])
      expect(text).not.toContain(secret);
  });

  it('is written for its owner alone, read back, and never overwritten', () => {
    const keys = newCurveKeys();
    const { secretPath, publicPath } = writeCurveKeys(join(folder, 'mine'), 'mine', keys);
    expect(statSync(secretPath).mode & 0o777).toBe(0o600);
    const read = readCurveKeys(secretPath);
    expect(read.publicKey).toBe(keys.publicKey);
    expect(read.secretKey.reveal()).toBe(keys.secretKey.reveal());
    expect(readPublicKeys(publicPath)).toEqual([{ key: keys.publicKey, name: 'mine' }]);
    expect(readFileSync(publicPath, 'utf8')).not.toContain(keys.secretKey.reveal());
    expect(() => writeCurveKeys(join(folder, 'mine'), 'mine', newCurveKeys())).toThrow(
      'is there already and is not overwritten',
    );
    expect(readCurveKeys(secretPath).publicKey).toBe(keys.publicKey);
  });

  it.each([0o640, 0o604, 0o660, 0o644])('is refused where others may read it (mode %o)', (mode) => {
    const { secretPath } = writeCurveKeys(join(folder, `open-${mode}`), 'open', newCurveKeys());
    chmodSync(secretPath, mode);
    expect(() => readCurveKeys(secretPath)).toThrow(`"chmod 600 ${secretPath}"`);
  });

  it.each([
    ['', 'holds no CURVE secret key'],
    ['# only a comment\n', 'holds no CURVE secret key'],
    ['too short\n', 'holds no CURVE secret key'],
    [`${'a'.repeat(40)}\n${'b'.repeat(40)}\n`, 'holds no CURVE secret key'],
  ])('is refused where the file holds none: %j', (text, problem) => {
    const path = join(folder, `bad-${Math.random()}`);
    writeFileSync(path, text, { mode: 0o600 });
    expect(() => readCurveKeys(path)).toThrow(KeyFileError);
    expect(() => readCurveKeys(path)).toThrow(problem);
  });

  it('of an allow-list stands a line each, with a name if one is wanted', () => {
    const [one, two] = [newCurveKeys().publicKey, newCurveKeys().publicKey];
    const path = join(folder, 'list.pub');
    writeFileSync(path, `# engines\n\n${one} the first engine\r\n  ${two}\n`);
    expect(readPublicKeys(path)).toEqual([
      { key: one, name: 'the first engine' },
      { key: two, name: '' },
    ]);
    writeFileSync(path, `${one}\nnot-a-key\n`);
    expect(() => readPublicKeys(path)).toThrow('key 2 is no CURVE public key');
    writeFileSync(path, '\n');
    expect(() => readPublicKeys(path)).toThrow('holds no public key');
    expect(() => readPublicKeys(join(folder, 'none'))).toThrow("can't be read: ENOENT");
  });
});
