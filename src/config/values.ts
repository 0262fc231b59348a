/**
 * How values are read: from the text of an environment variable, or from the typed value of a flag. Each reader gives
 * the value, or `undefined` for what is not allowed.
 */
import { Secret } from './secret.ts';
import type { Parse } from './setting.ts';

/** Text that matches a pattern; by default any text without line breaks. */
export const text =
  (pattern = /^[^\r\n]+$/): Parse<string> =>
  (raw) =>
    typeof raw === 'string' && pattern.test(raw) ? raw : undefined;

/** One of the given words. */
export const oneOf =
  <const T extends string>(...words: readonly T[]): Parse<T> =>
  (raw) =>
    words.find((word) => word === raw);

/** A whole number from `min` to `max`, both included. */
export const integer =
  (min: number, max: number): Parse<number> =>
  (raw) => {
    const value = typeof raw === 'string' && /^-?\d{1,15}$/.test(raw.trim()) ? Number(raw) : raw;
    return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? value
      : undefined;
  };

/** A number of bytes, plain or with the suffix KiB or MiB. */
export const bytes =
  (min: number, max: number): Parse<number> =>
  (raw) => {
    const match = typeof raw === 'string' ? /^(\d{1,12}) ?(KiB|MiB)?$/.exec(raw.trim()) : null;
    const unit = match?.[2] === 'KiB' ? 1024 : match?.[2] === 'MiB' ? 1024 * 1024 : 1;
    return integer(min, max)(match ? Number(match[1]) * unit : raw);
  };

/** A yes or no. */
export const flag: Parse<boolean> = (raw) => {
  if (raw === true || raw === 'true' || raw === '1' || raw === 'yes') return true;
  if (raw === false || raw === 'false' || raw === '0' || raw === 'no') return false;
  return undefined;
};

/** Text whose value is never printed. */
export const secret: Parse<Secret> = (raw) =>
  raw instanceof Secret ? raw : typeof raw === 'string' ? new Secret(raw) : undefined;

/** A port number of TCP. */
export const port = integer(1, 65535);

/** A URL that a browser can open. */
export const httpUrl: Parse<string> = (raw) =>
  typeof raw === 'string' && /^https?:\/\//.test(raw) && URL.canParse(raw) ? raw : undefined;

/** Host names or addresses, as a list or separated by commas; at least one. */
export const hostList: Parse<readonly string[]> = (raw) => {
  const hosts = Array.isArray(raw)
    ? (raw as unknown[])
    : typeof raw === 'string'
      ? raw.split(',').map((host) => host.trim())
      : [];
  return hosts.length > 0 &&
    hosts.every((host) => typeof host === 'string' && /^[A-Za-z0-9._:-]+$/.test(host))
    ? (hosts as string[])
    : undefined;
};

/** Names as Temporal and Cassandra have them. */
export const namePattern = /^[A-Za-z0-9._-]{1,200}$/;
/** An address, with brackets where it is IPv6. */
export const hostAndPortPattern = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/;
/** Where a ZeroMQ socket binds or connects. */
export const zmqEndpointPattern = /^(tcp:\/\/[^\s]+:(\d{1,5}|\*)|ipc:\/\/[^\s]+)$/;
