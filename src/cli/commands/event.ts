/**
 * `settled event show SEQUENCE`: what was received under a number of a stream, and what stands for it: its line in the stream
 * log, and its row with its legs once it is settled.
 */
import type { Command } from 'commander';
import { readEventRow } from '../../ledger/event-lookup.ts';
import { readLine } from '../../ledger/stream-log.ts';
import { eventJson, eventText } from '../event-view.ts';
import { print, withStream } from '../stream-session.ts';
import { uint63Argument } from '../uint63-argument.ts';

const NOT_FOUND_EXIT_CODE = 3;

interface Flags {
  readonly stream?: string;
  readonly json?: boolean;
}

async function show(sequence: bigint, { stream, json }: Flags): Promise<void> {
  await withStream(stream, async ({ cassandra, config, record }) => {
    const line = await readLine(cassandra, record.stream, sequence);
    if (!line) {
      process.stderr.write(
        `Nothing was received under sequence ${sequence} of stream ${record.stream}; its watermark is ${record.watermark}.\n`,
      );
      process.exitCode = NOT_FOUND_EXIT_CODE;
      return;
    }
    const row = await readEventRow(cassandra, record.stream, line);
    const received = { ...line, digest: line.digest.toString('hex') };
    print(json, { stream: record.stream, received, settled: row ? eventJson(config, row) : null }, () => [
      `sequence ${sequence} of ${record.stream}: ${line.kind} ${line.id}`,
      `  received         digest ${received.digest}, under lease ${line.lease}`,
      row ? eventText(config, row) : '  not settled',
    ]);
  });
}

/** Adds the command. */
export function register(program: Command): void {
  program
    .command('event')
    .description('look at what a stream received')
    .command('show')
    .description(
      'what was received under a sequence, and its row, legs and run once it is settled (exit codes: 0 shown, 1 could not look, 3 nothing was received)',
    )
    .argument('<sequence>', 'number in the stream', uint63Argument('sequence'))
    .option('--stream <name>', 'the stream (SETTLED_STREAM)')
    .option('--json', 'one JSON object')
    .action(show);
}
