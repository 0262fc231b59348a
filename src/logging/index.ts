/**
 * The log of a process, to stderr: lines for people on a terminal, JSON otherwise. Secrets never reach it, under
 * whatever name they come; 64-bit integers reach it as decimal text, exact (I8).
 */
import pino from 'pino';
import { prettyFactory } from 'pino-pretty';
import { type Config, REDACTED } from '../config/index.ts';

/** What parts of the program log to. Children carry fields of their own: `logger.child({ partition: 3 })`. */
export type Logger = pino.Logger;

/** Field names whose values are secrets, at the top of a log object or one level down. */
const SECRET_FIELDS = ['password', 'apiKey', 'secret', 'token', 'secretKey', 'privateKey', 'authorization'];

const redactedPaths = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]);

/** Where log lines go; normally `process.stderr`. */
export interface LogTarget {
  readonly isTTY?: boolean;
  write(line: string): unknown;
}

const exactIntegers = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, typeof value === 'bigint' ? String(value) : value]),
  );

/**
 * The logger of this process; make one, and children of it.
 * @param settings the configuration's `log`
 * @param fields what every line carries, such as the command
 * @param target where lines go, instead of stderr
 */
export function createLogger(
  settings: Config['log'],
  fields: Readonly<Record<string, unknown>> = {},
  target: LogTarget = process.stderr,
): Logger {
  const forPeople = settings.pretty === 'auto' ? target.isTTY === true : settings.pretty === 'true';
  // Colours are for terminals, even where a person asks for readable lines in a file.
  const readable = prettyFactory({
    colorize: target.isTTY === true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
  });
  const stream = { write: (line: string) => void target.write(forPeople ? readable(line) : line) };
  const options: pino.LoggerOptions = {
    level: settings.level,
    base: { pid: process.pid, ...fields },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: redactedPaths, censor: REDACTED },
    formatters: { level: (label) => ({ level: label }), log: exactIntegers },
    serializers: { error: pino.stdSerializers.err },
  };
  return pino(options, stream);
}
