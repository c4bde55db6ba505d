import { createHash, randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPrograms } from './adapters/programs/index.ts';
import { sourceContract } from './adapters/sources/source.contract.ts';
import { createStewardReader } from './adapters/sources/steward/index.ts';
import { MIGRATIONS } from './migrations.ts';
import { auditKey, vaultKey } from './config/keys.ts';
import { StewardSource } from './core/backup/source.ts';
import { ownState } from './own-state.ts';
import { serviceAccount } from './store/pg-account.ts';
import { pgHome } from './store/pg-home.ts';
import { openStore, type Store } from './store/store.ts';
import { createAudit } from './systems/audit/index.ts';
import { makeCopy } from './testing/backup/make-copy.ts';
import { plainStore } from './testing/backup/plain-store.ts';
import { memoryLog } from './testing/log.ts';
import { type TempFolder, tempFolder } from './testing/world/temp-folder.ts';

const doing = { signal: new AbortController().signal };
const source = StewardSource.parse({ kind: 'steward', name: 'self' });
const log = memoryLog();
const now = (): Date => new Date();
let folder: TempFolder;
let home: string;
let store: Store;
let audit: ReturnType<typeof createAudit>;

beforeAll(async () => {
  folder = await tempFolder('stw-own');
  chmodSync(folder.path, 0o755);
  home = join(folder.path, 'home');
  mkdirSync(home);
  store = await openStore({ home, migrations: MIGRATIONS, stewardVersion: '0.0.0', log, now });
  await vaultKey(home);
  audit = createAudit({
    store,
    key: await auditKey(home),
    checkpointFile: join(home, 'audit-checkpoints.jsonl'),
    node: 'node_test',
    now,
    log,
  });
  const actor = { kind: 'user', id: 'local:test', name: 'test', role: 'admin' } as const;
  for (let index = 0; index < 20; index += 1)
    await audit.append({ action: `test.done-${index}`, actor, outcome: 'succeeded', from: 'test' });
  await sql`create table "odd ""table" (id int primary key, half int not null)`.execute(store.db);
  await sql`insert into "odd ""table" select i, 1 from generate_series(1, 100) i`.execute(store.db);
  mkdirSync(join(home, 'artifacts', 'run_1'), { recursive: true });
  for (const name of ["it's $(id).txt", '-rf', 'ü [*?'])
    writeFileSync(join(home, 'artifacts', 'run_1', name), `in ${name}`);
}, 120_000);
afterAll(async () => {
  await audit?.stop();
  await store?.close();
  await folder?.remove();
});

const reader = () =>
  createStewardReader({
    programs: createPrograms({ environment: process.env }),
    scratch: join(home, 'scratch'),
    now,
    account: () => serviceAccount(pgHome(home), () => undefined),
    own: ownState({
      home,
      configuration: () => join(home, 'steward.yaml'),
      never: () => [join(home, 'scratch')],
      external: false,
      log,
    }),
  });

describe('Steward itself, as every source', () => {
  sourceContract(async () => ({
    reader: reader(),
    source,
    scratch: join(home, 'scratch'),
    store: join(folder.path, 'store'),
    async state() {
      const { rows } = await sql`select count(*) as records, max(hash) as last from audit_log`.execute(store.db);
      const names = readdirSync(join(home, 'artifacts', 'run_1')).toSorted();
      const texts = names.map((name) => readFileSync(join(home, 'artifacts', 'run_1', name), 'utf8'));
      return [rows, names, createHash('sha256').update(texts.join('\0')).digest('hex')];
    },
    ruin: async () => undefined,
    elsewhere: { kind: 'folder', path: join(folder.path, 'else where') },
    refuses: { code: 'PRECONDITION_FAILED', says: /not replaced by a copy of itself/ },
  }));
});

describe('a copy of Steward itself', () => {
  it('has every transaction wholly or not at all, while others write', async () => {
    const over = new AbortController();
    const writing = (async () => {
      for (let id = 1_000; !over.signal.aborted; id += 1)
        await store.db.transaction().execute(async (trx) => {
          await sql`insert into "odd ""table" values (${id}, 1)`.execute(trx);
          await sql`insert into "odd ""table" values (${-id}, -1)`.execute(trx);
        });
    })();
    const copy = await makeCopy(reader(), source, plainStore(join(folder.path, 'busy')), doing);
    over.abort();
    await writing;
    const sandbox = await reader().sandbox(source, copy, { scratch: join(home, 'scratch'), owner: 'run_1' }, doing);
    try {
      expect(await sandbox.content(doing)).toMatchObject({ ok: true });
      const { STEWARD_SANDBOX_HOST: host, STEWARD_SANDBOX_USER: user } = sandbox.environment;
      const client = new pg.Client({ host, user, database: 'postgres' });
      await client.connect();
      const { rows } = await client.query('select count(*)::int as all, sum(half)::int as halves from "odd ""table"');
      await client.end();
      expect(rows[0]).toMatchObject({ halves: 100 });
      expect(rows[0].all).toBeGreaterThan(100);
    } finally {
      await sandbox.end();
    }
  }, 120_000);

  it('has its keys where the place is encrypted, or somebody says so, and is told where it has none', async () => {
    const partsIn = async (keys: 'encrypted' | 'always' | 'never', encrypted: boolean): Promise<boolean> => {
      const plain = plainStore(join(folder.path, randomUUID()));
      const place = {
        ...plain,
        begin: async (...given: Parameters<typeof plain.begin>) => ({ ...(await plain.begin(...given)), encrypted }),
      };
      const { manifest } = await makeCopy(reader(), { ...source, keys }, place, doing);
      const has = manifest.parts.some(({ name }) => name === 'keys.tar');
      expect(manifest.leftOut.some(({ what }) => what === 'keys (audit.key, vault.key)')).toBe(!has);
      return has;
    };
    // What lies in the open has none: the copies above.
    expect(await partsIn('encrypted', true)).toBe(true);
    expect(await partsIn('always', false)).toBe(true);
    expect(await partsIn('never', true)).toBe(false);
  }, 120_000);

  it('is no proof where the record in it is not the one that was written', async () => {
    await sql`alter table audit_log disable trigger user`.execute(store.db);
    await sql`update audit_log set hash = repeat('0', 64) where seq = 7`.execute(store.db);
    const copy = await makeCopy(reader(), source, plainStore(join(folder.path, 'forged')), doing);
    const sandbox = await reader().sandbox(source, copy, { scratch: join(home, 'scratch'), owner: 'run_1' }, doing);
    const [opened] = (await sandbox.assertions(doing)).layers;
    await sandbox.end();
    expect(opened).toMatchObject({
      ok: false,
      statement: expect.stringContaining('audit log is not what was written'),
    });
  }, 120_000);
});
