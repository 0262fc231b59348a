/**
 * A ledger event's message and the event: deposit, withdraw, lock, unlock. A numbered engine states the version of
 * the balance; a classic one states neither number nor version, and what it might state there is not read.
 */
import type { LedgerEvent, LedgerKind } from '../domain/event.ts';
import { INT64_MAX } from '../domain/integers.ts';
import { describeValue, type Body } from './body.ts';
import { ANY, ASSET, FROM_ONE, integerField, POSITIVE, TIME } from './fields.ts';
import type { Dialect, LedgerWord } from './message.ts';
import type { DecodeContext } from './decode.ts';
import type { Fault } from './reasons.ts';

const KINDS: ReadonlyMap<string, LedgerKind> = new Map<LedgerWord, LedgerKind>([
  ['DEPOSIT', 'deposit'],
  ['WITHDRAW', 'withdraw'],
  ['WITHDRAWAL', 'withdraw'],
  ['LOCK', 'lock'],
  ['UNLOCK', 'unlock'],
]);

/** Reads a ledger event. Where it adds to `faults`, what it returns is not to be used. */
export function readLedgerEvent(
  body: Body,
  dialect: Dialect,
  context: DecodeContext,
  faults: Fault[],
): LedgerEvent {
  const numbered = dialect === 'numbered';
  const userId = integerField(body, 'user_id', ANY, faults);
  const sequenceId = integerField(body, 'sequence_id', numbered ? FROM_ONE : ANY, faults);
  const kind = readKind(body, faults);
  const amount = integerField(body, 'amount', POSITIVE, faults);
  const currency = integerField(body, 'currency', ASSET, faults);
  const relatedId = integerField(body, 'related_id', ANY, faults);
  const createdAt = integerField(body, 'created_at', TIME, faults);
  const version = numbered ? integerField(body, 'version', ANY, faults) : 0n;
  if (version === INT64_MAX) {
    faults.push({ reason: 'version-overflow', text: 'version + 1 is above 2^63-1' });
  }
  const stamped = createdAt === 0n;
  return {
    kind,
    sequence: numbered ? sequenceId : 0n,
    timeMs: stamped ? context.receivedAtMs : Number(createdAt),
    stamped,
    userId,
    sequenceId,
    amount,
    currency: Number(currency),
    relatedId,
    version,
    versionStated: numbered,
  };
}

function readKind(body: Body, faults: Fault[]): LedgerKind {
  const word = body.fields['event_type'];
  if (body.duplicates.has('event_type')) return 'deposit'; // its fault is listed already
  if (typeof word === 'string') {
    const kind = KINDS.get(word);
    if (kind !== undefined) return kind;
    faults.push({ reason: 'unknown-event-type', text: `event_type is ${describeValue(word)}` });
  } else if (word === undefined) {
    faults.push({ reason: 'missing-field', text: 'event_type is missing' });
  } else {
    faults.push({ reason: 'wrong-type', text: `event_type is ${describeValue(word)}, not a string` });
  }
  return 'deposit';
}
