/** The connections between processes that lead through a proxy of ours. */
export const LINKS = [
  'engine-ingest',
  'control',
  'ingest-temporal',
  'worker-temporal',
  'ingest-cassandra',
  'worker-cassandra',
] as const;
/** One of them. `engine-ingest` carries the messages, `control` what ingest and engine say of them. */
export type Link = (typeof LINKS)[number];
