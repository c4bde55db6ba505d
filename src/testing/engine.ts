import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Actor } from '../core/actor.ts';
import type { AuditEntry } from '../core/audit.ts';
import { type AnyAutomation, defineAutomation } from '../core/automation.ts';
import { createCatalog } from '../core/catalog.ts';
import { approvalPurpose, type Confirmation } from '../core/identity.ts';
import type { Inventory } from '../core/inventory.ts';
import { DEFAULT_POLICY, type PolicyRule } from '../core/policy.ts';
import { aResource } from './fakes/fake-inventory.ts';
import type { Resource } from '../core/resource.ts';
import type { Run } from '../core/run.ts';
import type { AnyWorkflow } from '../core/workflow.ts';
import type { Store } from '../store/store.ts';
import { memoryLog } from './log.ts';
import type { EngineDeps, EngineSettings } from '../engine/engine-deps.ts';
import { createEngine, type Engine } from '../engine/index.ts';

export const operator: Actor = { kind: 'token', id: 'tok_1', name: 'olga', role: 'operator' };
export const admin: Actor = { kind: 'user', id: 'usr_1', name: 'ada', role: 'admin', session: 'ses_1' };
export const agent: Actor = { kind: 'token', id: 'tok_2', name: 'bot', role: 'agent' };

/** What every workflow has; name, triggers and steps are the test's. */
export const aChain = {
  version: 1,
  title: 'A chain',
  summary: 'A chain.',
  priority: 'P3',
  ifMissed: 'Nothing.',
  origin: 'user',
} as const;

/** Appends one line a change to a file, so that the file tells what was really executed, how often and in which order. */
export const appendLines = defineAutomation({
  name: 'append-lines',
  version: 1,
  title: 'Append lines',
  summary: 'Appends lines to a file.',
  category: 'maintenance',
  priority: 'P3',
  ifMissed: 'Nothing.',
  effect: 'write',
  load: 'light',
  needs: [],
  input: z.object({
    file: z.string(),
    lines: z.array(z.string()),
    pauseMs: z.number().default(0),
    undoPauseMs: z.number().default(0),
    failAt: z.string().optional(),
    undo: z.enum(['automatic', 'approval', 'none']).default('automatic'),
    moment: z.string().default(''),
    target: z.string().optional(),
  }),
  output: z.object({ written: z.number() }),
  examples: [],
  safeguards: { timeout: '30s', retry: { attempts: 2, backoff: '5ms' } },
  async target(input, inventory) {
    return input.target === undefined ? undefined : await inventory.resolve(input.target);
  },
  async analyze(ctx) {
    return {
      moment: ctx.input.moment === 'now' ? await readFile(`${ctx.input.file}.moment`, 'utf8').catch(() => '') : '',
    };
  },
  async plan(ctx, facts) {
    return ctx.input.lines.map((line) => ({
      id: line,
      title: `append ${line}`,
      undo: ctx.input.undo,
      moment: facts.moment,
    }));
  },
  async execute(ctx, change, { attempt }) {
    await appendFile(ctx.input.file, `begin ${change.id} ${attempt}\n`);
    await sleep(ctx.input.pauseMs, undefined, { signal: ctx.signal });
    if (ctx.input.failAt === change.id) throw new Error(`cannot append ${change.id}`);
    await appendFile(ctx.input.file, `end ${change.id} ${attempt}\n`);
    ctx.log.info('line appended', { line: change.id });
    return { attempt };
  },
  async verify(ctx, { applied }) {
    const text = await readFile(ctx.input.file, 'utf8').catch(() => '');
    return applied.map(({ change }) => ({
      name: `${change.id} is in the file`,
      ok: text.includes(`end ${change.id} `),
    }));
  },
  record: ({ applied }) => ({ written: applied.length }),
  async rollback(ctx, change, receipt) {
    await appendFile(ctx.input.file, `undo ${change.id}${receipt === undefined ? ' half' : ''}\n`);
    await sleep(ctx.input.undoPauseMs);
  },
});

export const destroyIt = defineAutomation({ ...appendLines, name: 'destroy-lines', effect: 'destructive' });

export const countLines = defineAutomation({
  name: 'count-lines',
  version: 1,
  title: 'Count lines',
  summary: 'Counts the lines of a file.',
  category: 'health',
  priority: 'P3',
  ifMissed: 'Nothing.',
  effect: 'read',
  load: 'light',
  needs: [],
  input: z.object({ file: z.string() }),
  output: z.object({ lines: z.number() }),
  examples: [],
  safeguards: { timeout: '5s', retry: { attempts: 1, backoff: '1ms' } },
  analyze: async (ctx) => ({ lines: (await readFile(ctx.input.file, 'utf8').catch(() => '')).split('\n').length - 1 }),
  verify: async (_ctx, { facts }) => [{ name: 'it could be read', ok: facts.lines >= 0 }],
  record: ({ facts }) => ({ lines: facts.lines }),
});

/** As of a person who just gave the password for this plan. */
export const confirmed = (run: Pick<Run, 'id' | 'planHash'>, at = new Date()): Confirmation => ({
  method: 'password',
  purpose: approvalPurpose(run.id, run.planHash ?? ''),
  at,
});

export interface EngineFixture {
  readonly engine: Engine;
  readonly audited: AuditEntry[];
  readonly log: ReturnType<typeof memoryLog>;
}

export function engineOn(
  store: Store,
  options: {
    automations?: readonly AnyAutomation[];
    workflows?: readonly AnyWorkflow[];
    /** As a configuration that may change has them. */
    configured?: () => readonly AnyWorkflow[];
    resources?: readonly Resource[];
    /** What depends on a resource, by its id. */
    dependents?: Readonly<Record<string, readonly Resource[]>>;
    recoveryPointOf?: EngineDeps['recoveryPointOf'];
    rules?: readonly PolicyRule[];
    now?: () => Date;
    node?: string;
    settings?: Partial<EngineSettings>;
    ports?: EngineDeps['ports'];
    host?: EngineDeps['host'];
    wholeEvent?: EngineDeps['wholeEvent'];
    killGroup?: EngineDeps['killGroup'];
    killed?: unknown[];
  } = {},
): EngineFixture {
  const {
    automations = [appendLines, destroyIt, countLines],
    workflows = [],
    resources = [],
    rules = DEFAULT_POLICY,
    now = () => new Date(),
    node = 'node_a',
  } = options;
  const audited: AuditEntry[] = [];
  const log = memoryLog();
  const catalog = createCatalog({
    automations,
    operations: [],
    workflows,
    ...(options.configured && { configured: options.configured }),
  });
  const engine = createEngine({
    store,
    catalog: () => catalog,
    host: options.host,
    wholeEvent: options.wholeEvent,
    ports: options.ports ?? (() => ({})),
    inventory: { ...inventoryOf(resources), dependentsOf: async (id) => [...(options.dependents?.[id] ?? [])] },
    recoveryPointOf: options.recoveryPointOf,
    audit: { append: async (entry) => void audited.push(entry) },
    log,
    now,
    node: { id: node, name: node, version: '0.0.0-test' },
    policyRules: () => rules,
    artifacts: join(tmpdir(), 'steward-test-artifacts'),
    killGroup: async (identity) => {
      options.killed?.push(identity);
      return (await options.killGroup?.(identity)) ?? true;
    },
    secrets: async () => 'secret-value',
    settings: options.settings,
  });
  return { engine, audited, log };
}

export function inventoryOf(resources: readonly Resource[]): Inventory {
  const find = async (reference: string): Promise<Resource | undefined> =>
    resources.find(({ id, name }) => id === reference || name === reference);
  return {
    get: find,
    resolve: find,
    find: async () => [...resources],
    edges: async () => [],
    dependenciesOf: async () => [],
    dependentsOf: async () => [],
  };
}

export function resource(name: string, more: Partial<Resource> = {}): Resource {
  return aResource({ id: `res_${name}`, identity: name, node: 'node_a', name, ...more });
}

/** A folder of one's own and a file in it that does not exist yet. */
export async function scratch(): Promise<{
  folder: string;
  file: string;
  lines(): Promise<string[]>;
  remove(): Promise<void>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'steward-engine-'));
  const file = join(folder, 'lines');
  return {
    folder,
    file,
    lines: async () => (await readFile(file, 'utf8').catch(() => '')).split('\n').filter(Boolean),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
