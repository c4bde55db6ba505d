import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVault } from '../src/adapters/vault/index.ts';
import { type Catalog, createCatalog } from '../src/core/catalog.ts';
import { DEFAULT_POLICY } from '../src/core/policy.ts';
import type { Run } from '../src/core/run.ts';
import { createEngine, type Engine } from '../src/engine/index.ts';
import { engineMigrations } from '../src/engine/tables.ts';
import type { CliOptions } from '../src/surfaces/cli/cli-options.ts';
import { buildCli } from '../src/surfaces/cli/index.ts';
import { createRest, type Rest } from '../src/surfaces/rest/index.ts';
import { createAudit } from '../src/systems/audit/index.ts';
import { auditMigrations } from '../src/systems/audit/tables.ts';
import { createAdmin } from '../src/systems/identity/accounts.ts';
import { createIdentity, type IdentitySystem } from '../src/systems/identity/index.ts';
import { identityMigrations } from '../src/systems/identity/tables.ts';
import { type TestDatabase, testDatabase } from '../src/testing/database.ts';
import { appendLines, destroyIt, inventoryOf } from '../src/testing/engine.ts';
import { memoryLog } from '../src/testing/log.ts';

const PASSWORD = 'correct horse battery';
const WRONG = 'wrong zebra capacitor';

describe('approving what destroys, from outside', () => {
  let database: TestDatabase;
  let home: string;
  let engine: Engine;
  let identity: IdentitySystem;
  let rest: Rest;
  const log = memoryLog();
  const now = () => new Date();
  let count = 0;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'steward-approval-'));
    database = await testDatabase({ migrations: [...auditMigrations, ...identityMigrations, ...engineMigrations] });
    const { store } = database;
    const audit = createAudit({
      store,
      key: randomBytes(32),
      checkpointFile: join(home, 'checkpoints.jsonl'),
      node: 'n1',
      now,
      log,
    });
    identity = createIdentity({
      store,
      audit,
      vault: createVault({ key: randomBytes(32) }),
      setupLinkFile: join(home, 'setup-link'),
      cliTokenFile: join(home, 'cli-token'),
      osUser: 'ada',
      node: 'n1',
      now,
    });
    const known: { catalog: Catalog } = { catalog: createCatalog({ automations: [], operations: [], workflows: [] }) };
    engine = createEngine({
      store,
      catalog: () => known.catalog,
      ports: () => ({}),
      inventory: inventoryOf([]),
      audit,
      log,
      now,
      node: { id: 'n1', name: 'n1', version: '0.0.0-test' },
      policyRules: () => DEFAULT_POLICY,
      artifacts: join(home, 'artifacts'),
      killGroup: async () => true,
      secrets: async () => '',
      confirm: (request) => identity.confirm(request),
    });
    known.catalog = createCatalog({
      automations: [appendLines, destroyIt],
      operations: [...identity.operations, ...audit.operations, ...engine.operations],
      workflows: [],
    });
    rest = createRest({
      catalog: known.catalog,
      runs: engine.service,
      identity,
      audit,
      events: { ...store.events, onNews: () => () => undefined },
      settings: { host: '127.0.0.1', port: 0, requestsPerMinute: 100_000 },
      version: '0.0.0-test',
      now,
      log,
    });
    await identity.start();
    await createAdmin(store, { name: 'ada', password: PASSWORD, now: now() });
    await engine.start();
    const { url } = await rest.listen();
    await writeFile(join(home, 'server.json'), JSON.stringify({ url, pid: process.pid }));
  }, 60_000);
  afterAll(async () => {
    await rest?.close();
    await engine?.stop();
    await identity?.stop();
    await database?.drop();
    await rm(home, { recursive: true, force: true });
  });

  async function steward(args: string[], options: Partial<CliOptions> = {}) {
    let stdout = '';
    let stderr = '';
    const cli = buildCli({
      described: async () => ({ operations: [], automations: [] }),
      catalogOf: async () => createCatalog({ automations: [], operations: [], workflows: [] }),
      offline: {},
      local: [],
      home,
      version: '1.2.3',
      env: {},
      stdout: { write: (text) => void (stdout += text) },
      stderr: { write: (text) => void (stderr += text) },
      ...options,
    });
    return { exitCode: await cli.run(args), stdout, stderr };
  }
  const types =
    (answers: Record<string, string>) =>
    async (question: string, how: { hidden?: boolean } = {}) => {
      const key = Object.keys(answers).find((each) => question.startsWith(each));
      expect(how.hidden ?? false, question).toBe(key === 'Password');
      return answers[key ?? ''] ?? '';
    };
  const fresh = () => join(home, `lines-${(count += 1)}`);
  const proposed = async (automation = 'destroy-lines', input: object = {}): Promise<Run> => {
    const whole = { file: fresh(), lines: ['a'], ...input };
    const args = ['run', automation, '--wait', '--json', '--input', JSON.stringify(whole)];
    return JSON.parse((await steward(args)).stdout) as Run;
  };
  const statusOf = async ({ id }: Run) => (await engine.service.get(id))?.status;
  const ended = async ({ id }: Run) => await engine.service.wait(id, { timeoutMs: 15_000 });
  const post = async (path: string, body: object, headers: Record<string, string>) => {
    const { statusCode, ...answer } = await rest.app.inject({
      method: 'POST',
      url: `/api/v1${path}`,
      headers: { host: 'localhost', ...headers },
      payload: body,
    });
    const error = answer.json<{ error?: { code: string } }>().error;
    return { statusCode, code: error?.code, cookie: String(answer.headers['set-cookie'] ?? '').split(';')[0] ?? '' };
  };
  const bearer = async () => ({ authorization: `Bearer ${(await readFile(join(home, 'cli-token'), 'utf8')).trim()}` });
  const sessions = async () => (await database.store.pool.query('select 1 from user_sessions')).rowCount;

  describe('on the command line', () => {
    it('is refused where nobody can be asked, and says how it is done', async () => {
      const run = await proposed();
      expect(run).toMatchObject({ status: 'waiting-approval', effect: 'destructive' });
      const { exitCode, stderr } = await steward(['run', 'approve', run.id, run.planHash ?? '']);
      expect(exitCode).toBe(34);
      expect(stderr).toContain('no terminal to ask');
      expect(stderr).toContain('--password-file');
      expect(await statusOf(run)).toBe('waiting-approval');
    });

    it('asks for name and password, shows what it is about, and leaves nobody signed in', async () => {
      const run = await proposed('destroy-lines', { undo: 'none' });
      const { exitCode, stdout, stderr } = await steward(['run', 'approve', run.id, run.planHash ?? ''], {
        prompt: types({ Name: 'ada', Password: PASSWORD }),
      });
      expect(stderr).toContain('It destroys something.');
      expect(stderr).toContain('Recovery point: none known');
      expect(stderr).toContain('not at all: 1');
      expect(stdout).toContain(run.id);
      expect(exitCode).toBe(0);
      expect(await ended(run)).toMatchObject({ status: 'succeeded', approval: { by: 'ada', method: 'password' } });
      expect(await sessions()).toBe(0);
    });

    it('takes the password from a file, or from what is piped in', async () => {
      const file = join(home, 'password');
      await writeFile(file, `${PASSWORD}\n`);
      for (const [where, piped] of [
        [file, ''],
        ['-', `${PASSWORD}\n`],
      ] as const) {
        const run = await proposed();
        const args = ['run', 'approve', run.id, run.planHash ?? '', '--name', 'ada', '--password-file', where];
        expect((await steward(args, { stdin: async () => piped })).exitCode).toBe(0);
        expect((await ended(run)).status).toBe('succeeded');
      }
    });

    it('does not let in who has not the password, and takes no password as an option', async () => {
      const run = await proposed();
      const args = ['run', 'approve', run.id, run.planHash ?? ''];
      const { exitCode, stderr } = await steward(args, { prompt: types({ Name: 'ada', Password: WRONG }) });
      expect(exitCode).toBe(7);
      expect(stderr).not.toContain(WRONG);
      expect(await statusOf(run)).toBe('waiting-approval');
      expect((await steward([...args, '--proof', '{"password":"x"}'])).stderr).toContain('unknown option');
      expect((await steward([...args, '--help'])).stdout).not.toContain('--proof');
    });

    it('asks nobody for what only writes', async () => {
      const { id, planHash = '' } = await engine.service.wait(
        (
          await engine.service.start({
            automation: 'append-lines',
            input: { file: fresh(), lines: ['a'] },
            trigger: 'mcp',
            actor: { kind: 'token', id: 'tok_x', name: 'bot', role: 'agent' },
          })
        ).id,
        { timeoutMs: 15_000 },
      );
      expect((await steward(['run', 'approve', id, planHash])).exitCode).toBe(0);
      expect(await engine.service.wait(id, { timeoutMs: 15_000 })).toMatchObject({
        status: 'succeeded',
        approval: { method: 'token' },
      });
    });

    it('takes back, goes on, repeats, and switches the mode', async () => {
      const file = fresh();
      const first = await proposed('append-lines', { file });
      expect(first.status).toBe('succeeded');
      const again = JSON.parse((await steward(['run', 'repeat', first.id, '--json'])).stdout) as Run;
      expect(again).toMatchObject({ trigger: 'cli', relation: { kind: 'repeats', runId: first.id } });
      const undone = await steward(['run', 'undo', first.id, '--reason', 'a mistake']);
      expect(undone).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('append-lines') });
      expect((await steward(['run', 'resume', first.id])).exitCode).toBe(14);

      expect(await steward(['mode', 'stopped', '--reason', 'a fire'])).toMatchObject({ exitCode: 0 });
      expect((await steward(['mode'])).stdout).toContain('a fire');
      expect((await steward(['run', 'append-lines', '--input', `{"file":"${file}","lines":[]}`])).exitCode).toBe(33);
      expect(await steward(['mode', 'normal', '--reason', 'it is out'])).toMatchObject({ exitCode: 0 });
      expect((await steward(['loops'])).stdout).toContain('None.');
    });

    it('starts a plan by its token', async () => {
      const input = { file: fresh(), lines: ['a'] };
      const flags = ['--input', JSON.stringify(input)];
      const dry = JSON.parse((await steward(['plan', 'append-lines', '--json', ...flags])).stdout) as Run;
      const { token } = JSON.parse((await steward(['run', 'plan-token', dry.id, '--json'])).stdout) as {
        token: string;
      };
      const run = await steward(['run', 'append-lines', '--wait', '--json', '--plan-token', token, ...flags]);
      expect(JSON.parse(run.stdout)).toMatchObject({ status: 'succeeded', planHash: dry.planHash });
      const twice = await steward(['run', 'append-lines', '--plan-token', token, ...flags]);
      expect(twice.exitCode).toBe(14);
    });
  });

  describe('over REST', () => {
    const origin = { origin: 'http://localhost' };

    it('takes a session and the password, for this plan', async () => {
      const run = await proposed();
      const path = `/runs/${run.id}/approve`;
      const { planHash } = run;
      const proof = { password: PASSWORD };
      const { cookie } = await post('/login', { name: 'ada', password: PASSWORD }, origin);
      const session = { ...origin, cookie };
      expect(await post(path, { planHash }, await bearer())).toMatchObject({ statusCode: 403, code: 'FORBIDDEN' });
      expect(await post(path, { planHash, proof }, await bearer())).toMatchObject({ code: 'FORBIDDEN' });
      expect(await post(path, { planHash }, session)).toMatchObject({
        statusCode: 403,
        code: 'CONFIRMATION_REQUIRED',
      });
      expect(await post(path, { planHash, proof: { password: WRONG } }, session)).toMatchObject({ statusCode: 401 });
      expect(await post(path, { planHash: 'x', proof }, session)).toMatchObject({ code: 'PLAN_STALE' });
      expect(await post(path, { planHash, proof: { password: 7 } }, session)).toMatchObject({ code: 'INPUT_INVALID' });
      expect(await statusOf(run)).toBe('waiting-approval');
      expect(await post(path, { planHash, proof }, session)).toMatchObject({ statusCode: 200 });
      expect(await post(path, { planHash, proof }, session)).toMatchObject({ statusCode: 409, code: 'CONFLICT' });
      expect((await ended(run)).status).toBe('succeeded');
      await rest.app.inject({ method: 'POST', url: '/api/v1/logout', headers: { host: 'localhost', ...session } });
    });
  });

  it('keeps no password anywhere: not in the audit, not in events, runs or logs', async () => {
    const { rows: tables } = await database.store.pool.query(
      `select table_schema || '."' || table_name || '"' as name from information_schema.tables
       where table_schema in ('public', 'dbos') and table_type = 'BASE TABLE'`,
    );
    expect(tables.length).toBeGreaterThan(20);
    for (const { name } of tables) {
      const all = await database.store.pool.query(`select t::text as row from ${name} t`);
      const text = all.rows.map(({ row }) => row).join('\n');
      expect(text.includes(PASSWORD) || text.includes(WRONG), name).toBe(false);
    }
    expect(JSON.stringify(log.lines)).not.toContain(PASSWORD);
    expect(JSON.stringify(log.lines)).not.toContain(WRONG);
    const approvals = await database.store.pool.query(
      `select entry::json #>> '{detail,input,proof}' as proof from audit_log
       where entry::json->>'action' = 'command.approve-run' and entry::json->>'outcome' = 'allowed'`,
    );
    const proofs = approvals.rows.map(({ proof }) => proof);
    expect(new Set(proofs)).toEqual(new Set([null, '[redacted]']));
    expect(proofs.filter((proof) => proof !== null).length).toBeGreaterThan(3);
  });
});
