import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import verifyBackups from '../../automations/verify-backups/index.ts';
import type { SealedCopy, SourceReader } from '../../core/backup/reader.ts';
import { type BackupSource, SqliteSource } from '../../core/backup/source.ts';
import type { CopyRecord } from '../../core/ports/copies.ts';
import { backupsOver } from '../../testing/backup/backups-over.ts';
import { makeCopy } from '../../testing/backup/make-copy.ts';
import { plainStore } from '../../testing/backup/plain-store.ts';
import { postgresSourceOf } from '../../testing/backup/postgres-source.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import { nobody, startPostgres, type TestPostgres } from '../../testing/world/postgres.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createPrograms } from '../programs/index.ts';
import { createPostgresSource } from '../sources/postgres/index.ts';
import { createSqliteReader } from '../sources/sqlite/index.ts';

const doing = { signal: new AbortController().signal };
const BEFORE = new Date('2026-03-01T00:00:00Z');
const now = (): Date => new Date('2026-03-02T00:00:00Z');
const programs = createPrograms({ environment: process.env });
let folder: TempFolder;
let server: TestPostgres;
let readers: SourceReader[];
let shop: SealedCopy;
let crm: SealedCopy;

beforeAll(async () => {
  [folder, server] = await Promise.all([tempFolder('stw-smoke'), startPostgres()]);
  await chmod(folder.path, 0o755);
  const scratch = join(folder.path, 'scratch');
  const path = join(folder.path, 'shop.db');
  using database = new DatabaseSync(path);
  database.exec('create table orders (id integer primary key); insert into orders values (1), (2)');
  await server.say('postgres', 'create database crm');
  await server.say('crm', 'create table people (id int)', 'insert into people select generate_series(1, 42)');
  const sqlite = createSqliteReader({ programs, scratch, now });
  const postgres = createPostgresSource({
    programs,
    scratch,
    now,
    secrets: async () => server.password,
    account: async () => nobody,
  });
  readers = [sqlite, postgres] as unknown as SourceReader[];
  const store = plainStore(join(folder.path, 'store'));
  shop = await makeCopy(sqlite, sqliteSource([]), store, doing);
  crm = await makeCopy(postgres, postgresSource([]), store, doing);
}, 120_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await folder?.remove();
});

const smoke = (command: readonly string[], timeout = '60s'): object =>
  command.length === 0 ? {} : { smoke: { command, timeout } };
function sqliteSource(command: readonly string[], timeout?: string, assertions: readonly object[] = []) {
  return SqliteSource.parse({
    kind: 'sqlite',
    name: 'shop',
    path: join(folder.path, 'shop.db'),
    assertions,
    ...smoke(command, timeout),
  });
}
const postgresSource = (command: readonly string[]) =>
  postgresSourceOf(server, { name: 'crm', databases: ['crm'], ...smoke(command) });

/** What a verification says of a copy that was proven before, and what the record has of it afterwards. */
async function verified(source: BackupSource, { location }: SealedCopy) {
  const store = plainStore(join(folder.path, 'store'));
  const backups = backupsOver(store, {
    sources: () => [source],
    readers,
    scratch: join(folder.path, 'scratch'),
    programs,
    now,
  });
  const ports = { ...fakePorts({ now }), backups };
  ports.copies.put({
    id: 'cp_1',
    source: source.name,
    repository: 'plain',
    kind: source.kind,
    location,
    provenAt: BEFORE,
  });
  const { output, status } = await performInMemory(verifyBackups, { ports, now, input: { restore: 'all' } });
  const [copy] = output?.copies ?? [];
  const [record] = ports.copies.all();
  return { status, copy, layers: copy?.layers.map(({ layer, ok }) => `${layer} ${ok}`), record: record as CopyRecord };
}

describe('the assertions of a source', () => {
  it('find nothing where they cannot be asked: the others and the smoke command are asked, and an earlier proof stays', async () => {
    const asked = [
      {
        name: 'late',
        sql: 'with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n',
        timeout: '1s',
      },
      { name: 'wrong', sql: 'selekt 1' },
      { name: 'orders', sql: 'select count(*) = 2 from orders' },
    ];
    const { copy, layers, record } = await verified(sqliteSource(['true'], '60s', asked), shop);
    expect(layers?.slice(-2)).toEqual(['content true', 'application true']);
    expect(copy).toMatchObject({ ok: false, proven: false, notLookedAt: expect.stringMatching(/late: .*wrong: /) });
    expect(record).toMatchObject({ provenAt: BEFORE, fault: null, obstacle: copy?.notLookedAt });
  }, 60_000);

  it('take the proof back where what is there leaves one without an answer', async () => {
    const { copy, record } = await verified(
      sqliteSource([], '60s', [{ name: 'ships', sql: 'select 1 from ships' }]),
      shop,
    );
    expect(copy).toMatchObject({ ok: false, proven: false });
    expect(record).toMatchObject({ provenAt: null, fault: expect.stringContaining('no such table: ships') });
  }, 60_000);
});

describe('the smoke command of a source', () => {
  it('proves the layer application where it ends with 0', async () => {
    const { copy, layers, record } = await verified(
      sqliteSource(['sh', '-c', 'test -s "$STEWARD_SANDBOX_PATH"']),
      shop,
    );
    expect(layers?.at(-1)).toBe('application true');
    expect(copy).toMatchObject({ ok: true, proven: true });
    expect(record).toMatchObject({ provenAt: now(), fault: null, obstacle: null });
  });

  it('takes the proof back where it ends with anything else, and what it said is told', async () => {
    const command = ['sh', '-c', 'echo "no invoice of May" >&2; exit 1'];
    const { status, copy, record } = await verified(sqliteSource(command), shop);
    expect(status).toBe('failed');
    expect(copy?.layers.at(-1)).toMatchObject({
      layer: 'application',
      ok: false,
      statement: 'sh ended with 1 on the restored copy: no invoice of May',
      evidence: { exitCode: 1, stderr: 'no invoice of May\n' },
    });
    expect(record).toMatchObject({ provenAt: null, fault: expect.stringContaining('no invoice of May') });
  });

  it.each([
    ['is not installed', ['steward-no-such-program'], undefined, /steward-no-such-program/],
    ['runs out of time', ['sleep', '60'], '1s', /sleep/],
    ['is ended by somebody', ['sh', '-c', 'kill -9 $$'], undefined, /ended by SIGKILL/],
  ])(
    'finds nothing where its program %s: it says so, and an earlier proof stays',
    async (_what, command, timeout, why) => {
      const { copy, layers, record } = await verified(sqliteSource(command, timeout), shop);
      expect(layers).toEqual(['bytes true', 'structure true', 'restore true', 'content true']);
      expect(copy).toMatchObject({ ok: false, proven: false, notLookedAt: expect.stringMatching(/^application: /) });
      expect(copy?.notLookedAt).toMatch(why);
      expect(record).toMatchObject({ provenAt: BEFORE, fault: null, obstacle: copy?.notLookedAt, triedAt: now() });
    },
  );

  it('reaches the restored server by its STEWARD_SANDBOX variables, and not the original', async () => {
    const ask = `PGPASSWORD="$STEWARD_SANDBOX_PASSWORD" psql -X -At -h "$STEWARD_SANDBOX_HOST" -p "$STEWARD_SANDBOX_PORT" \
      -U "$STEWARD_SANDBOX_USER" -d "$STEWARD_SANDBOX_DATABASE" \
      -c "select count(*), current_setting('port') <> '${server.port}' or current_setting('listen_addresses') = '' from people"`;
    await server.say('crm', 'delete from people where id > 2');
    const { copy, record } = await verified(postgresSource(['sh', '-c', ask]), crm);
    expect(copy?.layers.at(-1)).toMatchObject({
      layer: 'application',
      ok: true,
      evidence: { exitCode: 0, stdout: '42|t\n' },
    });
    expect(record).toMatchObject({ fault: null, provenAt: now() });
  }, 60_000);
});
