import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AuditEntry } from '../../core/audit.ts';
import type { Call } from '../../core/operation.ts';
import { memoryLog } from '../../testing/log.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { type Audit, createAudit } from './index.ts';
import { auditMigrations } from './tables.ts';

const ada: AuditEntry['actor'] = { kind: 'user', id: 'usr_1', name: 'ada', role: 'admin' };
const entry = (n: number): AuditEntry => ({
  action: 'token.created',
  actor: ada,
  outcome: 'succeeded',
  from: '127.0.0.1',
  subject: { kind: 'token', id: `tok_${n}` },
});
const call: Call = { actor: ada, now: new Date('2026-11-20T12:00:00Z'), from: '127.0.0.1', requestId: 'r1' };

describe('the audit log', () => {
  let database: TestDatabase;
  let home: string;
  let audit: Audit;
  const key = randomBytes(32);
  const log = memoryLog();
  const open = (secret = key): Audit =>
    createAudit({
      store: database.store,
      key: secret,
      checkpointFile: join(home, 'checkpoints.jsonl'),
      node: 'n1',
      now: () => new Date('2026-11-20T12:00:00.123Z'),
      log,
    });
  const read = (name: string, input: object) => {
    const operation = audit.operations.find((each) => each.name === name);
    return operation?.handle(operation.input.parse(input), call);
  };
  /** What whoever owns the database can do. */
  const tamper = async (statement: string): Promise<void> => {
    await sql.raw('alter table audit_log disable trigger all').execute(database.store.db);
    await sql.raw(statement).execute(database.store.db);
    await sql.raw('alter table audit_log enable trigger all').execute(database.store.db);
  };

  beforeEach(async () => {
    database = await testDatabase({ migrations: auditMigrations });
    home = await mkdtemp(join(tmpdir(), 'steward-audit-'));
    audit = open();
    for (let n = 1; n <= 10; n++) await audit.append(entry(n));
  });
  afterEach(async () => {
    await database.drop();
    await rm(home, { recursive: true });
  });

  it('verifies what nobody touched', async () => {
    expect(await audit.verify()).toMatchObject({ ok: true, records: 10 });
  });

  it('refuses to change or remove a record', async () => {
    for (const statement of ['update audit_log set seq = 99', 'delete from audit_log', 'truncate audit_log']) {
      await expect(sql.raw(statement).execute(database.store.db)).rejects.toThrow(/only grows/);
    }
  });

  it.each([
    [
      'an edited entry',
      `update audit_log set entry = replace(entry::text, 'tok_4', 'tok_x')::json where seq = 4`,
      'edited',
      4,
    ],
    ['an edited time', `update audit_log set at = at + interval '1 microsecond' where seq = 4`, 'edited', 4],
    [
      'an edited entry with another hash',
      `update audit_log set entry = '{}', hash = repeat('a', 64) where seq = 6`,
      'edited',
      6,
    ],
    ['a removed record', 'delete from audit_log where seq = 5', 'removed', 5],
    ['a removed first record', 'delete from audit_log where seq = 1', 'removed', 1],
    [
      'a removed record with the rest renumbered',
      'delete from audit_log where seq = 5; update audit_log set seq = seq + 100 where seq > 5; update audit_log set seq = seq - 101 where seq > 100',
      'removed',
      5,
    ],
    [
      'two records that changed places',
      'update audit_log set seq = 100 where seq = 3; update audit_log set seq = 3 where seq = 7; update audit_log set seq = 7 where seq = 100',
      'reordered',
      3,
    ],
    ['a cut-off end', 'delete from audit_log where seq > 8', 'truncated', 9],
    [
      'an inserted record',
      `update audit_log set seq = seq + 100 where seq > 4; insert into audit_log select chain, 5, at, entry, prev_hash, hash from audit_log where seq = 4; update audit_log set seq = seq - 99 where seq > 100`,
      'reordered',
      5,
    ],
  ])('finds %s', async (_what, statement, kind, seq) => {
    await tamper(statement);

    expect(await audit.verify()).toMatchObject({ ok: false, problem: { kind, seq } });
    await expect(read('audit-verify', {})).rejects.toMatchObject({ code: 'AUDIT_BROKEN' });
  });

  it('finds an end that was cut off together with its head, by the checkpoint outside the database', async () => {
    const before = await sql<{ mac: string; hash: string }>`select mac, hash from audit_heads`.execute(
      database.store.db,
    );
    await audit.append(entry(11));
    await audit.stop();
    await tamper(
      `delete from audit_log where seq > 10; update audit_heads set seq = 10, hash = '${before.rows[0]?.hash}', mac = '${before.rows[0]?.mac}'`,
    );

    expect(await open().verify()).toMatchObject({ ok: false, problem: { kind: 'truncated', seq: 11 } });
  });

  it('finds an emptied log', async () => {
    await audit.stop();
    await tamper('delete from audit_log; delete from audit_heads');

    expect(await open().verify()).toMatchObject({ ok: false, problem: { kind: 'truncated', seq: 1 } });
  });

  it('finds an end cut off while it runs, because it goes on from its own memory', async () => {
    await tamper(
      `delete from audit_log where seq > 8; update audit_heads set seq = 8, hash = (select hash from audit_log where seq = 8)`,
    );
    await audit.append(entry(11));

    expect(log.lines.some(({ message }) => message.startsWith('audit head was changed'))).toBe(true);
    expect(await audit.verify()).toMatchObject({ ok: false, problem: { kind: 'removed', seq: 9 } });
  });

  it('finds a checkpoint written with another key, and forgives a line that a crash cut short', async () => {
    await audit.stop();
    const file = join(home, 'checkpoints.jsonl');
    await appendFile(file, '{"chain":"');
    expect(await audit.verify()).toMatchObject({ ok: true, checkpoints: 1 });

    await writeFile(file, (await readFile(file, 'utf8')).replace('"seq":10', '"seq":9'));
    expect(await audit.verify()).toMatchObject({ ok: false, problem: { kind: 'edited' } });
  });

  it('goes on after a restart, and chains nodes with other keys apart', async () => {
    const second = open();
    await second.append(entry(11));
    await open(randomBytes(32)).append(entry(1));

    expect(await second.verify()).toMatchObject({ ok: true, records: 11, others: [{ node: 'n1', records: 1 }] });
  });

  it('keeps the order of concurrent appends and stays whole', async () => {
    const began = performance.now();
    await Promise.all(Array.from({ length: 3_000 }, (_, n) => audit.append(entry(n))));
    const perSecond = Math.round(3_000 / ((performance.now() - began) / 1_000));

    expect(perSecond).toBeGreaterThan(0);
    expect(await audit.verify()).toMatchObject({ ok: true, records: 3_010 });
    expect((await readFile(join(home, 'checkpoints.jsonl'), 'utf8')).split('\n').length).toBeGreaterThan(1);
  });

  it('rejects what it could not write and goes on afterwards', async () => {
    await sql.raw('alter table audit_log rename to elsewhere').execute(database.store.db);
    await expect(audit.append(entry(11))).rejects.toThrow(/audit_log/);
    await sql.raw('alter table elsewhere rename to audit_log').execute(database.store.db);
    await audit.append(entry(12));

    expect(await audit.verify()).toMatchObject({ ok: true, records: 11 });
  });

  it('writes no secret and nothing that PostgreSQL cannot read back', async () => {
    await audit.append({
      ...entry(11),
      detail: { password: 'hunter2', url: 'postgres://a:hunter2@h/', odd: 'a\0b\ud800' },
    });

    const { rows } = await sql<{
      text: string;
      action: string;
    }>`select entry::text as text, entry->>'action' as action from audit_log where seq = 11`.execute(database.store.db);
    expect(rows[0]?.text).not.toContain('hunter2');
    expect(rows[0]?.action).toBe('token.created');
  });

  it('pages through the log, filters it, and records that it was read', async () => {
    const first = (await read('audit-logs', { limit: 4, action: 'token.' })) as {
      items: { seq: number }[];
      next: string;
    };
    const second = (await read('audit-logs', { limit: 100, action: 'token.', cursor: first.next })) as {
      items: { seq: number }[];
      next?: string;
    };

    expect([...first.items, ...second.items].map(({ seq }) => seq)).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    expect(second.next).toBeUndefined();
    expect(await read('audit-logs', { action: 'audit.read' })).toMatchObject({
      items: [{ subject: { id: 'audit-logs' } }, {}, {}],
    });
    expect(await read('audit-trail', { type: 'token', id: 'tok_3' })).toMatchObject({ items: [{ seq: 3 }] });
    expect(await read('audit-trail', { type: 'toString', id: 'tok_3' })).toMatchObject({ items: [] });
    await audit.append({ ...entry(11), action: 'command.create-token' });
    await audit.append({ ...entry(12), action: 'run.started', outcome: 'refused' });
    await audit.append({ ...entry(13), action: 'run.started' });
    expect(await read('audit-security-events', { actor: 'ada', limit: 2 })).toMatchObject({
      items: [{ outcome: 'refused' }, { action: 'command.create-token' }],
    });
    expect(await read('audit-statistics', {})).toMatchObject({ byOutcome: {} });
    await expect(read('audit-logs', { cursor: 'nonsense' })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });
});
