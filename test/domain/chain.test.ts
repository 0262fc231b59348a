/**
 * The chain against vectors that were computed apart from this code (Python's struct and hashlib), and what is part of
 * it. Its values are stored for as long as a ledger lives: these vectors never change.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { genesisChain, nextChain, type ChainedEntry } from '../../src/domain/chain.ts';

interface GenesisVector {
  readonly name: string;
  readonly user: string;
  readonly asset: number;
  readonly bytes: string;
  readonly sha256: string;
}

interface EntryVector extends GenesisVector {
  readonly previous: string;
  readonly digest: string;
  readonly leg: number;
  readonly step: number;
  readonly version: string;
  readonly available: string;
  readonly frozen: string;
}

const vectors = JSON.parse(readFileSync(new URL('../data/chain-vectors.json', import.meta.url), 'utf8')) as {
  genesis: GenesisVector[];
  entries: EntryVector[];
};

const entryOf = (vector: EntryVector): ChainedEntry => ({
  userId: BigInt(vector.user),
  assetId: vector.asset,
  digest: Buffer.from(vector.digest, 'hex'),
  leg: vector.leg,
  step: vector.step,
  version: BigInt(vector.version),
  availableAfter: BigInt(vector.available),
  frozenAfter: BigInt(vector.frozen),
});

const sha256 = (hex: string): string => createHash('sha256').update(hex, 'hex').digest('hex');

describe('the chain', () => {
  it.each(vectors.genesis)('begins at the vector: $name', ({ user, asset, bytes, sha256: expected }) => {
    expect(sha256(bytes)).toBe(expected);
    expect(genesisChain({ userId: BigInt(user), assetId: asset }).toString('hex')).toBe(expected);
  });

  it.each(vectors.entries)('agrees with the vector: $name', (vector) => {
    expect(sha256(vector.bytes)).toBe(vector.sha256);
    expect(nextChain(Buffer.from(vector.previous, 'hex'), entryOf(vector)).toString('hex')).toBe(
      vector.sha256,
    );
  });

  it('of the vectors is one chain from the genesis value on', () => {
    const [genesis] = vectors.genesis;
    let chain = genesis?.sha256;
    for (const vector of vectors.entries.slice(0, 5)) {
      expect(vector.previous).toBe(chain);
      chain = vector.sha256;
    }
  });

  it('is specified in docs/chain.md with the first vectors', () => {
    const page = readFileSync(new URL('../../docs/chain.md', import.meta.url), 'utf8').replace(/\s/g, '');
    for (const vector of [vectors.genesis[0], vectors.entries[0]])
      expect(page).toContain(`${vector?.bytes}→${vector?.sha256}`);
  });

  it('differs with the value before it and with each field of the entry', () => {
    const [vector] = vectors.entries;
    if (!vector) throw new Error('no vectors');
    const previous = Buffer.from(vector.previous, 'hex');
    const entry = entryOf(vector);
    const variants: [Buffer, ChainedEntry][] = [
      [previous, entry],
      [Buffer.alloc(32, 1), entry],
      [previous, { ...entry, userId: entry.userId + 1n }],
      [previous, { ...entry, assetId: entry.assetId + 1 }],
      [previous, { ...entry, digest: Buffer.alloc(32, 1) }],
      [previous, { ...entry, leg: 1 }],
      [previous, { ...entry, step: 1 }],
      [previous, { ...entry, version: entry.version + 1n }],
      [previous, { ...entry, availableAfter: entry.availableAfter + 1n }],
      [previous, { ...entry, frozenAfter: entry.frozenAfter + 1n }],
    ];
    const values = new Set(variants.map(([before, one]) => nextChain(before, one).toString('hex')));
    expect(values.size).toBe(variants.length);
  });
});
