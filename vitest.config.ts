import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores and two servers: more files at once only wait for each other.
    maxWorkers: 2,
    reporters: ['default', ['json', { outputFile: '.settled/test-results.json' }]],
  },
});
