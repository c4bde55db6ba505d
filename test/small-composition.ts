import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { createVault } from '../src/adapters/vault/index.ts';
import { type AnyAutomation, defineAutomation } from '../src/core/automation.ts';
import { type Catalog, createCatalog } from '../src/core/catalog.ts';
import { StewardError } from '../src/core/errors.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../src/core/operation.ts';
import type { Run } from '../src/core/run.ts';
import type { RunService } from '../src/core/run-service.ts';
import { EVENTS_CHANNEL } from '../src/store/event-tables.ts';
import type { Store } from '../src/store/store.ts';
import type { LiveSettings } from '../src/surfaces/live/index.ts';
import { loadPage } from '../src/surfaces/page/index.ts';
import { createRest, type Rest, type RestDeps } from '../src/surfaces/rest/index.ts';
import type { RestSettings } from '../src/surfaces/rest/settings.ts';
import { type Audit, createAudit } from '../src/systems/audit/index.ts';
import { auditMigrations } from '../src/systems/audit/tables.ts';
import { createAdmin } from '../src/systems/identity/accounts.ts';
import type { Elsewhere } from '../src/systems/identity/elsewhere.ts';
import { createIdentity, type IdentitySystem } from '../src/systems/identity/index.ts';
import { identityMigrations } from '../src/systems/identity/tables.ts';
import { testDatabase } from '../src/testing/database.ts';
import { memoryLog } from '../src/testing/log.ts';

export const PASSWORD = 'correct horse battery';

export interface SmallComposition {
  readonly catalog: Catalog;
  readonly rest: Rest;
  readonly identity: IdentitySystem;
  readonly audit: Audit;
  readonly store: Store;
  readonly runs: RunService & { readonly started: Run[] };
  readonly log: ReturnType<typeof memoryLog>;
  readonly home: string;
  tokenOf(role: string): Promise<string>;
  /** One more store on the same database: a second node. */
  openAnother(): Promise<Store>;
  stop(): Promise<void>;
}

/** Identity, audit and the API on a real database, with operations made up for the purpose and runs that only start. */
export async function composeSmall({
  settings = {},
  operations = [],
  elsewhere,
  live = {},
  mounts = () => [],
}: {
  settings?: Partial<RestSettings>;
  operations?: readonly AnyOperation[];
  elsewhere?: Elsewhere;
  live?: LiveSettings;
  mounts?: (parts: { readonly identity: IdentitySystem; readonly audit: Audit }) => NonNullable<RestDeps['mounts']>;
} = {}): Promise<SmallComposition> {
  const database = await testDatabase({ migrations: [...auditMigrations, ...identityMigrations] });
  const { store } = database;
  const home = await mkdtemp(join(tmpdir(), 'steward-surfaces-'));
  const log = memoryLog();
  const now = (): Date => new Date();
  const audit = createAudit({
    store,
    key: randomBytes(32),
    checkpointFile: join(home, 'checkpoints.jsonl'),
    node: 'n1',
    now,
    log,
  });
  const identity = createIdentity({
    store,
    audit,
    vault: createVault({ key: randomBytes(32) }),
    setupLinkFile: join(home, 'setup-link'),
    cliTokenFile: join(home, 'cli-token'),
    osUser: 'ada',
    node: 'n1',
    now,
    elsewhere,
  });
  await identity.start();
  const catalog = createCatalog({
    automations: [sweepFloor, dropTable],
    operations: [...identity.operations, ...audit.operations, ...madeUp, ...operations],
    workflows: [],
  });
  const runs = startingRuns();
  const rest = createRest({
    catalog,
    runs,
    identity,
    audit,
    events: {
      read: (options) => store.events.read(options),
      latestId: () => store.events.latestId(),
      stateOf: (id) => store.events.stateOf(id),
      onNews: (handler) => store.listen(EVENTS_CHANNEL, handler),
    },
    live,
    settings: { host: '127.0.0.1', port: 0, requestsPerMinute: 100_000, ...settings },
    page: await loadPage(),
    mounts: mounts({ identity, audit }),
    version: '0.0.0-test',
    now,
    log,
  });
  await rest.app.ready();
  return {
    catalog,
    rest,
    identity,
    audit,
    store,
    runs,
    log,
    home,
    openAnother: () => database.openAnother(),
    async tokenOf(role) {
      const bearer = (await readFile(join(home, 'cli-token'), 'utf8')).trim();
      const { json } = await rest.app.inject({
        method: 'POST',
        url: '/api/v1/create-token',
        headers: { authorization: `Bearer ${bearer}` },
        payload: { name: `${role} token`, role },
      });
      return json<{ token: string }>().token;
    },
    async stop() {
      await rest.close();
      await identity.stop();
      await audit.stop();
      await database.drop();
      await rm(home, { recursive: true });
    },
  };
}

export async function signIn({ store, rest }: SmallComposition, name = 'ada'): Promise<string> {
  await createAdmin(store, { name, password: PASSWORD, now: new Date() });
  const response = await rest.app.inject({
    method: 'POST',
    url: '/api/v1/login',
    payload: { name, password: PASSWORD },
  });
  return String(response.headers['set-cookie']).split(';')[0] ?? '';
}

const described = {
  version: 1,
  category: 'maintenance',
  priority: 'P3',
  ifMissed: 'nothing',
  load: 'light',
  needs: [],
  safeguards: { timeout: '1m', retry: { attempts: 1, backoff: '1s' } },
  examples: [],
} as const;

const sweepFloor = defineAutomation({
  ...described,
  name: 'sweep-floor',
  title: 'Sweep the floor',
  summary: 'Sweeps the floor of a room.',
  effect: 'write',
  input: z.object({ room: z.string().min(1).max(40), times: z.number().int().min(1).max(3).default(1) }),
  output: z.object({}),
  examples: [{ title: 'The hall', input: { room: 'hall' } }],
  analyze: async () => ({}),
  plan: async () => [],
  execute: async () => ({}),
  verify: async () => [],
  record: () => ({}),
}) as AnyAutomation;

const dropTable = { ...sweepFloor, name: 'drop-table', title: 'Drop a table', effect: 'destructive' } as AnyAutomation;

const madeUp: AnyOperation[] = [
  defineQuery({
    name: 'echo',
    title: 'Echo',
    summary: 'Gives back what it was given.',
    permission: 'read',
    paths: ['/api/v1/automation/echo/{word}'],
    input: z.object({
      word: z.string().max(30),
      times: z.number().int().optional(),
      loud: z.boolean().optional(),
      tags: z.array(z.string()).optional(),
      when: z.coerce.date().optional(),
    }),
    output: z.object({
      word: z.string(),
      times: z.number().optional(),
      loud: z.boolean().optional(),
      tags: z.array(z.string()).optional(),
      when: z.coerce.date().optional(),
    }),
    handle: async (input) => ({ ...input, secretMember: 'never leaves' }),
  }),
  defineQuery({
    name: 'stumble',
    title: 'Stumble',
    summary: 'Fails by a bug.',
    permission: 'read',
    input: NoInput,
    output: z.object({}),
    handle: () => Promise.reject(new TypeError('reading x of undefined in /secret/place.ts')),
  }),
  defineCommand({
    name: 'sign-treaty',
    title: 'Sign the treaty',
    summary: 'Only a person may.',
    permission: 'read',
    personOnly: true,
    input: NoInput,
    output: z.object({ by: z.string() }),
    handle: async (_input, { actor }) => ({ by: actor.name }),
  }),
];

function startingRuns(): RunService & { readonly started: Run[] } {
  const started: Run[] = [];
  const keys = new Map<string, Run>();
  const get = async (id: string): Promise<Run | undefined> => started.find((run) => run.id === id);
  const notHere = (): Promise<never> => Promise.reject(new StewardError('NOT_FOUND', 'These runs only start.'));
  return {
    started,
    async start({ automation, input, trigger, actor, dryRun = false, idempotencyKey, reason }) {
      const known = idempotencyKey === undefined ? undefined : keys.get(idempotencyKey);
      if (known) return known;
      const run: Run = {
        id: `run_${started.length + 1}`,
        automation,
        version: 1,
        status: 'queued',
        dryRun,
        trigger,
        actor,
        ...(reason === undefined ? {} : { reason }),
        causation: {},
        node: 'n1',
        input: input as Run['input'],
        phases: [],
        changes: [],
        checks: [],
        createdAt: new Date(),
      };
      started.push(run);
      if (idempotencyKey !== undefined) keys.set(idempotencyKey, run);
      return run;
    },
    get,
    list: async () => ({ items: started }),
    wait: async (id) => (await get(id)) ?? notHere(),
    approve: notHere,
    reject: notHere,
    cancel: notHere,
  };
}
