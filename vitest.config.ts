import { configDefaults, defineConfig } from 'vitest/config';
import { LongestFirst } from './src/testing/longest-first.ts';
import { mayHaveOwnMachine, ownMachines } from './src/testing/own-machine.ts';

const common = {
  globalSetup: ['src/testing/global-setup.ts'],
  testTimeout: 20_000,
  hookTimeout: 60_000,
  pool: 'forks' as const,
};

/**
 * Look at nothing on this machine but what they made themselves: no discovery, or a machine of its own in a container. Most
 * of their time they wait. Whatever is not named here gets a machine of its own, or runs alone.
 */
const APART = [
  'test/alert-storms.integration.test.ts',
  'test/api-properties.integration.test.ts',
  'test/api-properties.test.ts',
  'test/approval.integration.test.ts',
  'test/backup-crashes.integration.test.ts',
  'test/backup-exclusion.integration.test.ts',
  'test/backup-faults.integration.test.ts',
  'test/backup-torn.integration.test.ts',
  'test/backup-undo.integration.test.ts',
  'test/backup-watch.integration.test.ts',
  'test/backups.integration.test.ts',
  'test/breakers.integration.test.ts',
  'test/chaos-engine.test.ts',
  'test/cli.integration.test.ts',
  'test/completions.integration.test.ts',
  'test/databases.integration.test.ts',
  'test/discovery-disabled.integration.test.ts',
  'test/edge-places.integration.test.ts',
  'test/edge-webhooks.integration.test.ts',
  'test/endpoints.integration.test.ts',
  'test/forged-input.integration.test.ts',
  'test/gateway-nodes.integration.test.ts',
  'test/gateway.integration.test.ts',
  'test/healing-crashes.integration.test.ts',
  'test/healing-systemd.integration.test.ts',
  'test/heartbeats.integration.test.ts',
  'test/hung-peers.integration.test.ts',
  'test/identity-provider.integration.test.ts',
  'test/identity-session.test.ts',
  'test/import.integration.test.ts',
  'test/integrations.integration.test.ts',
  'test/listener-tls.integration.test.ts',
  'test/live.integration.test.ts',
  'test/mcp/mcp.integration.test.ts',
  'test/mcp/suites.integration.test.ts',
  'test/metrics.integration.test.ts',
  'test/migration-crashes.integration.test.ts',
  'test/migrations.integration.test.ts',
  'test/nodes.integration.test.ts',
  'test/dashboard-alerts.integration.test.ts',
  'test/dashboard-identity.integration.test.ts',
  'test/dashboard-hostile.integration.test.ts',
  'test/dashboard-edge.integration.test.ts',
  'test/dashboard-places.integration.test.ts',
  'test/dashboard-work.integration.test.ts',
  'test/permissions.test.ts',
  'test/places.integration.test.ts',
  'test/promised-addresses.integration.test.ts',
  'test/rest.integration.test.ts',
  'test/restore-home.integration.test.ts',
  'test/retention.integration.test.ts',
  'test/status-page.test.ts',
  'test/two-nodes.test.ts',
  'test/user-events.integration.test.ts',
  'test/webhooks-kills.integration.test.ts',
  'test/webhooks-order.integration.test.ts',
  'test/webhooks.integration.test.ts',
  'test/workflow-guide.test.ts',
];

/** They start a Steward with its store, or two; that it took too long is for whoever starts it to say. */
const serving = { ...common, testTimeout: 60_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    passWithNoTests: false,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...common,
          name: 'parts',
          include: ['src/**/*.test.ts', 'web/src/**/*.test.ts', 'edge/**/*.test.ts', 'tools/**/*.test.ts'],
          // One more than the cores of the smallest machine: most of them wait for a server or a disk.
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      { test: { ...serving, name: 'apart', include: APART, maxWorkers: 2, sequence: { groupOrder: 1 } } },
      {
        // A whole Steward each, and the machine it looks after: it has to be their own, or they find each other's.
        test: {
          ...serving,
          name: 'whole',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...APART],
          ...(mayHaveOwnMachine() ? { pool: ownMachines, maxWorkers: 2 } : { maxWorkers: 1 }),
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
