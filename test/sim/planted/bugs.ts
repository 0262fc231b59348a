/**
 * The planted bugs: each takes one line of the product's reasoning away. A text that is not found exactly once fails by
 * the bug's name, so that a change of the product is noticed here.
 */

/** One bug. */
export interface PlantedBug {
  readonly name: string;
  /** Which invariant it breaks. */
  readonly invariant: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** All of them, by invariant. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'batch-not-logged',
    invariant: 'I1',
    file: 'src/ledger/storage.ts',
    find: 'return this.#write(statements, true);',
    replace: 'return this.#write(statements, false);',
  },
  {
    name: 'entries-not-written-again',
    invariant: 'I1a',
    file: 'src/settlement/settler.ts',
    find: 'task.event.sequence <= look.watermark ? [] : (look.row?.entries ?? []),',
    replace: '[],',
  },
  {
    name: 'reported-before-its-entries',
    invariant: 'I1a',
    file: 'src/settlement/settler.ts',
    find: '      this.#writeEntries(task, entriesOf(task.stream, task.event, task.calculated), false);',
    replace:
      "      this.#answer(task, { kind: 'settled', duplicate: false }); this.#entryWriter.write(entriesOf(task.stream, task.event, task.calculated), () => undefined);",
  },
  {
    name: 'line-written-after-sending',
    invariant: 'I1b',
    file: 'src/ingest/intake.ts',
    find: '        await this.#options.write(lines);',
    replace: '        void this.#options.write(lines).catch(() => undefined);',
  },
  {
    name: 'lower-line-missing',
    invariant: 'I1b',
    file: 'src/ingest/intake.ts',
    find: '    write.done = true;',
    replace:
      '    write.done = true; this.#writes.splice(this.#writes.indexOf(write), 1); this.#writes.unshift(write);',
  },
  {
    name: 'lease-checked-only-before',
    invariant: 'I1b',
    file: 'src/ingest/line-writer.ts',
    find: '    await this.#options.writeLines(lines);\n    const newest = await this.#look();',
    replace: '    const newest = await this.#look();\n    await this.#options.writeLines(lines);',
  },
  {
    name: 'other-content-above-the-watermark',
    invariant: 'I1b',
    file: 'src/ingest/numbered.ts',
    find: 'if (logged && !logged.equals(digest)) throw otherContent(event, logged);',
    replace: '',
  },
  {
    name: 'other-content-below-the-watermark',
    invariant: 'I6',
    file: 'src/ingest/numbered.ts',
    find: "if (before?.equals(digest)) return { kind: 'duplicate' };",
    replace: "if (before || expected > 0n) return { kind: 'duplicate' };",
  },
  {
    name: 'predecessor-not-compared',
    invariant: 'I1c',
    file: 'src/domain/decision.ts',
    find: "    if (!broken) return { kind: 'ready' };",
    replace: "    if (!broken || sequence > 0n) return { kind: 'ready' };",
  },
  {
    name: 'two-in-flight-for-one-version',
    invariant: 'I1c',
    file: 'src/ingest/followed-balances.ts',
    find: 'if (followed && followed.version !== touch.expectedVersion)',
    replace: 'if (followed && followed.version < 0n)',
  },
  {
    name: 'time-of-writing-kept',
    invariant: 'I2',
    file: 'src/ledger/balance-rows.ts',
    find: '      timeCell(timeMs),',
    replace: '      timeCell(timeMs > 0 ? Date.now() : 0),',
  },
  {
    name: 'balance-at-the-default-clock',
    invariant: 'I3',
    file: 'src/ledger/balance-rows.ts',
    find: '      balance.chain,\n      version,',
    replace: '      balance.chain,\n      bigintCell(BigInt(Date.now()) * 1000n),',
  },
  {
    name: 'entries-all-at-one-time',
    invariant: 'I3',
    file: 'src/ledger/entry-rows.ts',
    find: '      timeCell(entry.timeMs),\n      version,',
    replace: '      timeCell(entry.timeMs),\n      bigintCell(1n),',
  },
  {
    name: 'dependent-batch-sent-early',
    invariant: 'I4',
    file: 'src/settlement/committer.ts',
    find: '    if (task.blockers === 0) this.#queue(task);',
    replace: '    task.blockers = 0; this.#queue(task);',
  },
  {
    name: 'timed-out-batch-counts-as-written',
    invariant: 'I5',
    file: 'src/settlement/repeat.ts',
    find: "    if ((await write()) === 'written') return;",
    replace: "    if ((await write()) === 'written' || delayMs > 0) return;",
  },
  {
    name: 'memory-kept-after-a-failed-batch',
    invariant: 'I5',
    file: 'src/settlement/settler.ts',
    find: '    this.#balances.forgetAllBut(underWay);',
    replace: '',
  },
  {
    name: 'reads-at-one',
    invariant: 'I5a',
    file: 'src/ledger/storage.ts',
    find: 'options.readConsistency ?? types.consistencies.localQuorum',
    replace: 'options.readConsistency ?? types.consistencies.localOne',
  },
  {
    name: 'writes-at-one',
    invariant: 'I5a',
    file: 'src/ledger/storage.ts',
    find: 'options.writeConsistency ?? types.consistencies.localQuorum',
    replace: 'options.writeConsistency ?? types.consistencies.localOne',
  },
  {
    name: 'doubt-counted-per-attempt',
    invariant: 'I6',
    file: 'src/workflows/partition-logic.ts',
    find: 'const doubts = this.#doubts.of(sequencesOf(rest));',
    replace: 'const doubts = {};',
  },
  {
    name: 'conflict-from-an-old-read',
    invariant: 'I6',
    file: 'src/domain/decision.ts',
    find: 'if (observation.readIssuedMs > sinceMs + observation.doubtLimitMs)',
    replace: 'if (observation.readEndedMs > sinceMs + observation.doubtLimitMs)',
  },
  {
    name: 'hole-passed-over',
    invariant: 'I6',
    file: 'src/ingest/numbered.ts',
    find: "if (event.sequence > expected) return { kind: 'ahead', expected };",
    replace: '',
  },
  {
    name: 'update-without-a-bound',
    invariant: 'I6',
    file: 'src/workflows/partition-logic.ts',
    find: 'const isBound = attempt >= attemptsMax || this.#elapsedMs(settling) + waitMs > updateMsMax;',
    replace: 'const isBound = attempt < 0 && attemptsMax < updateMsMax;',
  },
  {
    name: 'forgotten-update-waited-for',
    invariant: 'I6',
    file: 'src/ingest/update-sender.ts',
    find: 'for (let missed = 0; missed < 2;) {',
    replace: 'for (let missed = 0; missed < Infinity;) {',
  },
  {
    name: 'acknowledged-before-it-is-persisted',
    invariant: 'I7',
    file: 'src/ingest/watermark.ts',
    find: '        await this.#persist(target);',
    replace: '        this.#persisted = target; this.wake(); await this.#persist(target);',
  },
  {
    name: 'watermark-over-what-is-missing',
    invariant: 'I7',
    file: 'src/ingest/watermark.ts',
    find: '    while (this.#settled.delete(this.#contiguous + 1n)) this.#contiguous += 1n;',
    replace: '    this.#contiguous = sequence;',
  },
  {
    name: 'remainder-counts-as-settled',
    invariant: 'I7',
    file: 'src/ingest/partition-lane.ts',
    find: 'const isLeft = (event: LaneEvent): boolean => remaining.has(event.sequence.toString());',
    replace: 'const isLeft = (event: LaneEvent): boolean => remaining.has(`-${event.sequence}`);',
  },
];
