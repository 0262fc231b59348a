import { describe, expect, it } from 'vitest';
import type { Balance } from '../../src/domain/balance.ts';
import { calculate } from '../../src/domain/calculate.ts';
import { genesisChain } from '../../src/domain/chain.ts';
import { legsOf, touchesOf } from '../../src/domain/legs.ts';
import type { SimulationOptions } from '../../src/simulator/options.ts';
import { encoded } from '../../src/simulator/outgoing.ts';
import { Simulation } from '../../src/simulator/simulation.ts';
import { decodeMessage } from '../../src/wire/decode.ts';

const CONTEXT = { receivedAtMs: 1, divisorOf: () => 1n };

/** Decodes and calculates a whole stream as settlement does, in memory. */
function settle(simulation: Simulation): Map<string, Balance> {
  const balances = new Map<string, Balance>();
  for (const { frames, sequence } of encoded(simulation.events())) {
    const decoded = decodeMessage(frames, 'numbered', CONTEXT);
    if (decoded.kind === 'rejected') throw new Error(`${sequence}: ${decoded.faults.join('; ')}`);
    const legs = legsOf(decoded.event);
    const touches = touchesOf(legs);
    const before = touches.map((key): Balance => {
      const zero = { available: 0n, frozen: 0n, version: 0n, lastSequence: 0n, chain: genesisChain(key) };
      return balances.get(`${key.userId}/${key.assetId}`) ?? zero;
    });
    const result = calculate(decoded.event, decoded.digest, legs, touches, before);
    if (result.kind === 'conflict') throw new Error(`${sequence}: ${result.reason}`);
    touches.forEach((key, at) => balances.set(`${key.userId}/${key.assetId}`, result.balances[at]!));
  }
  return balances;
}

describe('the domain and the simulator, which share no code', () => {
  it.each<SimulationOptions>([
    {},
    { scenario: 'random', trades: 5000, users: 40 },
    { scenario: 'random', trades: 5000, users: 1, seed: 2 },
    { scenario: 'random', trades: 3000, users: 200, hot: true },
    { scenario: 'random', trades: 3000, users: 200, zipf: true },
  ])('lead the same stream to the same balances: %j', (options) => {
    const simulation = new Simulation(options);
    const balances = settle(simulation);
    let count = 0;
    for (const { user, asset, ...expected } of simulation.oracle().balances) {
      const { available, frozen, version } = balances.get(`${user}/${asset}`)!;
      expect({ available: `${available}`, frozen: `${frozen}`, version: `${version}` }).toEqual(expected);
      count++;
    }
    expect(count).toBe(balances.size);
  });
});
