// The subject: an engine with its audit on the store that is named, as `steward serve` composes them. Three changes a run.
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { defineAutomation } from '../../src/core/automation.ts';
import { createCatalog } from '../../src/core/catalog.ts';
import { DEFAULT_POLICY } from '../../src/core/policy.ts';
import { createEngine } from '../../src/engine/index.ts';
import { engineMigrations } from '../../src/engine/tables.ts';
import { openStore } from '../../src/store/store.ts';
import { createAudit } from '../../src/systems/audit/index.ts';
import { auditMigrations } from '../../src/systems/audit/tables.ts';
import { inventoryOf, operator, resource } from '../../src/testing/engine.ts';
import { memoryLog } from '../../src/testing/log.ts';
import { serveBatches } from './batches.ts';

const TARGETS = 32;

const threeChanges = defineAutomation({
  name: 'three-changes',
  version: 1,
  title: 'Three changes',
  summary: 'Changes three things that do not exist.',
  category: 'maintenance',
  priority: 'P3',
  ifMissed: 'Nothing.',
  effect: 'write',
  load: 'light',
  needs: [],
  input: z.object({ index: z.number() }),
  output: z.object({ changed: z.number() }),
  examples: [],
  safeguards: { timeout: '30s', retry: { attempts: 3, backoff: '1s' } },
  target: async ({ index }, inventory) => await inventory.get(`res_t${index % TARGETS}`),
  analyze: async (ctx) => ({ seen: ctx.input.index }),
  plan: async () => ['one', 'two', 'three'].map((id) => ({ id, title: `change ${id}`, undo: 'automatic' as const })),
  execute: async (_ctx, { id }) => ({ changed: id }),
  verify: async (_ctx, { applied }) => applied.map(({ change }) => ({ name: `${change.id} is changed`, ok: true })),
  record: ({ applied }) => ({ changed: applied.length }),
  rollback: async () => undefined,
});

const log = memoryLog();
const now = () => new Date();
const store = await openStore({
  home: '/nonexistent',
  databaseUrl: process.argv[2],
  migrations: [...auditMigrations, ...engineMigrations],
  stewardVersion: 'bench',
  log,
  now,
});
const folder = join(tmpdir(), `steward-bench-runs-${process.pid}`);
const audit = createAudit({ store, key: randomBytes(32), checkpointFile: `${folder}.jsonl`, node: 'bench', now, log });
const catalog = createCatalog({ automations: [threeChanges], operations: [], workflows: [] });
const resources = Array.from({ length: TARGETS }, (_, index) => resource(`t${index}`, { node: 'bench' }));
const engine = createEngine({
  store,
  catalog: () => catalog,
  ports: () => ({}),
  inventory: inventoryOf(resources),
  audit,
  log,
  now,
  node: { id: 'bench', name: 'bench', version: 'bench' },
  policyRules: () => DEFAULT_POLICY,
  artifacts: folder,
  killGroup: async () => false,
  secrets: async () => '',
});
await engine.start();

serveBatches(async (index) => {
  const { id } = await engine.service.start({
    automation: 'three-changes',
    input: { index },
    trigger: 'cli',
    actor: operator,
  });
  const run = await engine.service.wait(id, { timeoutMs: 60_000 });
  if (run.status !== 'succeeded') throw new Error(`the run is ${run.status}: ${run.error?.message}`);
});
