/**
 * SHA-256 into Node's own buffer pool. A trade brings seven hashes, most of which live as long as the trade is in
 * memory: handed out by OpenSSL each would be an allocation of its own beside the heap, which costs twice the hashing.
 */
import { hash } from 'node:crypto';

/** Length of a hash, bytes. */
export const SHA256_BYTES = 32;

/** The SHA-256 of some bytes: 32 bytes, the caller's to keep, not to write to. */
export function sha256(bytes: Buffer): Buffer {
  // As text of one byte a character ("binary", also called latin1) a hash needs no memory beside the heap.
  return Buffer.from(hash('sha256', bytes, 'binary'), 'binary');
}
