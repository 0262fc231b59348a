/**
 * The settings of the two servers that settlement stands on.
 */
import { z } from 'zod';
import { count, filePath, optionalPort } from './kinds.ts';
import { parseReplication, REPLICATION_ALLOWED } from './replication.ts';
import { optionalSetting, setting } from './setting.ts';
import { flag, hostAndPortPattern, hostList, httpUrl, namePattern, oneOf, secret, text } from './values.ts';

/** Where Temporal is and how it is talked to. */
export const temporal = z.object({
  address: optionalSetting(
    {
      variable: 'SETTLED_TEMPORAL_ADDRESS',
      description:
        "Temporal's frontend. When it is set, `settled up` starts no Temporal; when not, the home's stack is used.",
    },
    'host:port',
    text(hostAndPortPattern),
  ),
  namespace: setting(
    { variable: 'SETTLED_TEMPORAL_NAMESPACE', description: "Temporal's namespace." },
    'letters, digits, dots, dashes and underscores',
    text(namePattern),
    'default',
  ),
  taskQueue: setting(
    { variable: 'SETTLED_TEMPORAL_TASK_QUEUE', description: 'The task queue of the workers.' },
    'letters, digits, dots, dashes and underscores',
    text(namePattern),
    'settled',
  ),
  tls: z.object({
    enabled: optionalSetting(
      {
        variable: 'SETTLED_TEMPORAL_TLS',
        description:
          'Whether to talk TLS to Temporal. By default, if any of its files or an API key is given.',
      },
      'true or false',
      flag,
    ),
    caPath: filePath(
      'SETTLED_TEMPORAL_TLS_CA_PATH',
      "PEM file of the authority that signed Temporal's certificate.",
    ),
    certPath: filePath('SETTLED_TEMPORAL_TLS_CERT_PATH', 'PEM file of our client certificate for Temporal.'),
    keyPath: filePath(
      'SETTLED_TEMPORAL_TLS_KEY_PATH',
      "PEM file of the client certificate's key for Temporal.",
    ),
    serverName: optionalSetting(
      {
        variable: 'SETTLED_TEMPORAL_TLS_SERVER_NAME',
        description: "The name that Temporal's certificate must have, where that is not its address.",
      },
      'a host name',
      text(namePattern),
    ),
  }),
  apiKey: optionalSetting(
    {
      variable: 'SETTLED_TEMPORAL_API_KEY',
      description: "Temporal's API key. A file (SETTLED_TEMPORAL_API_KEY_PATH) is better.",
      secret: true,
    },
    'text',
    secret,
  ),
  apiKeyPath: filePath('SETTLED_TEMPORAL_API_KEY_PATH', "File with Temporal's API key."),
  uiUrl: optionalSetting(
    {
      variable: 'SETTLED_TEMPORAL_UI_URL',
      description: "Where a person finds Temporal's web UI; links are built from it.",
    },
    'a URL that starts with http:// or https://',
    httpUrl,
  ),
});

/** Where Cassandra is and how it is talked to. */
export const cassandra = z.object({
  contactPoints: optionalSetting(
    {
      variable: 'SETTLED_CASSANDRA_CONTACT_POINTS',
      description:
        "Cassandra's nodes to ask first, separated by commas. When set, `settled up` starts no Cassandra; when " +
        "not, the home's stack is used.",
    },
    'host names or addresses separated by commas',
    hostList,
  ),
  port: optionalPort(
    'SETTLED_CASSANDRA_PORT',
    "Cassandra's CQL port; by default that of the home's stack, or 9042.",
  ),
  datacenter: setting(
    {
      variable: 'SETTLED_CASSANDRA_DATACENTER',
      description: 'The local datacenter, whose quorum is asked (I5a).',
    },
    'letters, digits, dots, dashes and underscores',
    text(namePattern),
    'datacenter1',
  ),
  keyspace: setting(
    { variable: 'SETTLED_CASSANDRA_KEYSPACE', description: 'The keyspace of the tables.' },
    'a lower-case letter, then up to 47 lower-case letters, digits and underscores',
    text(/^[a-z][a-z0-9_]{0,47}$/),
    'settlement',
  ),
  username: optionalSetting(
    { variable: 'SETTLED_CASSANDRA_USERNAME', description: 'User name for Cassandra.' },
    'text on one line',
    text(),
  ),
  password: optionalSetting(
    {
      variable: 'SETTLED_CASSANDRA_PASSWORD',
      description: 'Password for Cassandra. A file (SETTLED_CASSANDRA_PASSWORD_PATH) is better.',
      secret: true,
    },
    'text',
    secret,
  ),
  passwordPath: filePath('SETTLED_CASSANDRA_PASSWORD_PATH', 'File with the password for Cassandra.'),
  tls: z.object({
    enabled: optionalSetting(
      {
        variable: 'SETTLED_CASSANDRA_TLS',
        description: 'Whether to talk TLS to Cassandra. By default, if any of its files is given.',
      },
      'true or false',
      flag,
    ),
    caPath: filePath(
      'SETTLED_CASSANDRA_TLS_CA_PATH',
      "PEM file of the authority that signed Cassandra's certificates.",
    ),
    certPath: filePath(
      'SETTLED_CASSANDRA_TLS_CERT_PATH',
      'PEM file of our client certificate for Cassandra.',
    ),
    keyPath: filePath(
      'SETTLED_CASSANDRA_TLS_KEY_PATH',
      "PEM file of the client certificate's key for Cassandra.",
    ),
    rejectUnauthorized: setting(
      {
        variable: 'SETTLED_CASSANDRA_TLS_REJECT_UNAUTHORIZED',
        description: "Whether a server certificate that can't be verified ends the connection.",
      },
      'true or false',
      flag,
      true,
    ),
  }),
  replication: optionalSetting(
    {
      variable: 'SETTLED_CASSANDRA_REPLICATION',
      description:
        'Replication of the keyspace when `settled migrate` creates it. By default one copy in the configured ' +
        'datacenter, which is for one machine only: use three.',
    },
    REPLICATION_ALLOWED,
    parseReplication,
  ),
  consistency: setting(
    {
      variable: 'SETTLED_CASSANDRA_CONSISTENCY',
      description:
        'Consistency of reads and writes. Less than a quorum is not offered: events would get lost or doubled (I5a).',
    },
    'LOCAL_QUORUM, QUORUM or EACH_QUORUM',
    oneOf('LOCAL_QUORUM', 'QUORUM', 'EACH_QUORUM'),
    'LOCAL_QUORUM',
  ),
  requestTimeoutMs: count(
    'SETTLED_CASSANDRA_REQUEST_TIMEOUT_MS',
    "How long the driver waits for one answer; above the server's own timeouts, so that those are what is seen.",
    100,
    120_000,
    12_000,
  ),
});
