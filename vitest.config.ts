import { defineConfig } from 'vitest/config';

const common = {
  globalSetup: ['src/testing/global-setup.ts'],
  testTimeout: 20_000,
  hookTimeout: 60_000,
  pool: 'forks' as const,
};

export default defineConfig({
  test: {
    passWithNoTests: false,
    projects: [
      {
        test: {
          ...common,
          name: 'parts',
          include: ['src/**/*.test.ts', 'tools/**/*.test.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // A whole Steward each, and the machine it looks after: two at a time would find, and slow, each other's.
        test: { ...common, name: 'whole', include: ['test/**/*.test.ts'], maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
