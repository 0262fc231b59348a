// Preloaded into an ingest's process: the database fails as it does while it is away for a moment, at each opening of the
// stream, as often as SETTLED_TEST_OPENINGS_FAILED says.
import cassandra from 'cassandra-driver';

const { Client, errors } = cassandra;
const execute = Reflect.get(Client.prototype, 'execute');
let left = Number(process.env.SETTLED_TEST_OPENINGS_FAILED);

Client.prototype.execute = function (query, ...rest) {
  if (left <= 0 || !query.startsWith('INSERT INTO streams')) return execute.call(this, query, ...rest);
  left -= 1;
  return Promise.reject(new errors.NoHostAvailableError({ 'planted by the test': new Error('away') }));
};
