import { defineConfig } from 'vitest/config';

/** They take the whole machine: beside others they would measure these, and time them out. Neither asks for the servers. */
const ALONE = ['test/chaos/chaos.test.ts', 'test/sim/sim.test.ts'];

export default defineConfig({
  test: {
    reporters: ['default', ['json', { outputFile: '.settled/test-results.json' }]],
    projects: [
      {
        test: { name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
      {
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: ALONE,
          globalSetup: ['test/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // Two cores and two servers: more files at once only wait for each other.
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
