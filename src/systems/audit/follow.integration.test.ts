import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fileCheckpoints } from '../../adapters/checkpoints/index.ts';
import type { AuditEntry, AuditRecord } from '../../core/audit.ts';
import { StewardError } from '../../core/errors.ts';
import type { Call } from '../../core/operation.ts';
import type { SyslogMessage, SyslogPeer } from '../../core/syslog.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import { type Audit, type AuditDeps, createAudit } from './index.ts';
import { auditMigrations } from './tables.ts';
import { verifyFile } from './verify-file.ts';

const ada: AuditEntry['actor'] = { kind: 'user', id: 'usr_1', name: 'ada', role: 'admin' };
const entry = (n: number, more: Partial<AuditEntry> = {}): AuditEntry => ({
  action: 'token.created',
  actor: ada,
  outcome: 'succeeded',
  from: '10.0.0.7',
  subject: { kind: 'token', id: `tok_${n}` },
  ...more,
});

describe('the audit log, followed', () => {
  let database: TestDatabase;
  let home: string;
  let open: Audit[] = [];
  const key = randomBytes(32);
  let clock = new Date('2026-11-20T12:00:00.123Z');
  const make = (more: Partial<AuditDeps> = {}): Audit => {
    const audit = createAudit({
      store: database.store,
      key,
      checkpointFile: join(home, 'checkpoints.jsonl'),
      node: 'n1',
      now: () => clock,
      log: memoryLog(),
      backoffMs: 10,
      ...more,
    });
    open.push(audit);
    return audit;
  };
  const ask = async (audit: Audit, name: string, input: object = {}) => {
    const call: Call = { actor: ada, now: clock, from: '127.0.0.1', requestId: 'r1' };
    const operation = audit.operations.find((each) => each.name === name);
    return (await operation?.handle(operation.input.parse(input), call)) as {
      items: AuditRecord[];
      [more: string]: unknown;
    };
  };
  const exportTo = async (audit: Audit, file: string, input: object): Promise<string> => {
    const call: Call = { actor: ada, now: clock, from: '127.0.0.1', requestId: 'r1' };
    const operation = audit.operations.find(({ name }) => name === 'audit-export');
    if (operation?.kind !== 'query' || !operation.download) throw new Error('no download');
    const { chunks } = await operation.download.open(operation.input.parse(input), call);
    let text = '';
    for await (const chunk of chunks) text += chunk;
    await writeFile(file, text);
    return text;
  };
  const until = (holds: () => boolean | Promise<boolean>) => vi.waitUntil(holds, { timeout: 8_000, interval: 20 });

  beforeEach(async () => {
    clock = new Date('2026-11-20T12:00:00.123Z');
    database = await testDatabase({ migrations: auditMigrations });
    home = await mkdtemp(join(tmpdir(), 'steward-audit-'));
    open = [];
  });
  afterEach(async () => {
    for (const audit of open) await audit.stop();
    await database.drop();
    await rm(home, { recursive: true });
  });

  it('reaches every follower in order, at least once, also after failures and a restart', async () => {
    const seen: SyslogMessage[] = [];
    let broken = true;
    const peer: SyslogPeer = {
      address: 'tcp://logs:601',
      async send(messages) {
        if (broken) throw new StewardError('UNAVAILABLE', 'logs is away, password=hunter2');
        seen.push(...messages);
      },
    };
    const audit = make({ forward: [peer] });
    await audit.start();
    for (let n = 1; n <= 5; n++) await audit.append(entry(n));
    await until(async () => (await audit.deliveries())[0]?.failingSince !== undefined);
    const [failing] = await audit.deliveries();
    expect(failing).toMatchObject({ kind: 'forward', to: 'tcp://logs:601', seq: 0, behind: 5 });
    expect(failing?.error).toContain('logs is away');
    expect(failing?.error).not.toContain('hunter2');

    broken = false;
    await until(() => seen.length >= 5);
    await until(async () => (await audit.deliveries())[0]?.failingSince === undefined);
    await audit.stop();
    const again = make({ forward: [peer] });
    await again.start();
    await again.append(entry(6));
    await until(() => seen.length >= 6);

    expect(seen.map(({ data }) => data['seq'])).toEqual(['1', '2', '3', '4', '5', '6']);
    expect(seen[0]).toMatchObject({
      host: 'n1',
      data: { hash: expect.stringMatching(/^[0-9a-f]{64}$/), from: '10.0.0.7' },
    });
  });

  it('is never kept waiting by a follower that hangs', async () => {
    const audit = make({
      forward: [{ address: 'tcp://hung:601', send: (_messages, signal) => sleep(60_000, undefined, { signal }) }],
    });
    await audit.start();
    for (let n = 1; n <= 50; n++) await audit.append(entry(n));

    expect((await audit.deliveries())[0]).toMatchObject({ behind: 50 });
    expect(await audit.verify()).toMatchObject({ ok: true, records: 50 });
  });

  it('writes checkpoints to another place, and finds a log and its own checkpoints put back together', async () => {
    const elsewhere = join(home, 'elsewhere.jsonl');
    const places = [{ place: fileCheckpoints(elsewhere), everyMs: 1 }];
    const audit = make({ places });
    await audit.start();
    for (let n = 1; n <= 4; n++) await audit.append(entry(n));
    const head = await sql<{ hash: string; mac: string }>`select hash, mac from audit_heads`.execute(database.store.db);
    await audit.stop();
    const localThen = await readFile(join(home, 'checkpoints.jsonl'), 'utf8');
    const later = make({ places });
    await later.start();
    for (let n = 5; n <= 9; n++) await later.append(entry(n));
    await later.stop();
    expect(await make({ places }).verify()).toMatchObject({
      ok: true,
      places: [{ place: elsewhere, checkpoints: expect.any(Number) }],
    });

    // Somebody with the database and the home puts both back to what they were: each of them is genuine.
    await sql.raw('alter table audit_log disable trigger all').execute(database.store.db);
    await sql.raw('delete from audit_log where seq > 4').execute(database.store.db);
    await sql`update audit_heads set seq = 4, hash = ${head.rows[0]?.hash}, mac = ${head.rows[0]?.mac}`.execute(
      database.store.db,
    );
    await writeFile(join(home, 'checkpoints.jsonl'), localThen);

    expect(await make().verify()).toMatchObject({ ok: true, records: 4 });
    const found = await make({ places }).verify();
    expect(found).toMatchObject({ ok: false, problem: { kind: 'truncated', seq: 5 } });
    expect(found.problem?.message).toContain(elsewhere);
  });

  it('catches up with a place that was away, and says so of one that cannot be asked', async () => {
    let away = true;
    const lines: string[] = [];
    const place = {
      name: 'vault',
      async write(line: string) {
        if (away) throw new StewardError('UNAVAILABLE', 'not mounted');
        lines.push(line);
      },
      read: () => Promise.reject(new StewardError('UNAVAILABLE', 'not mounted')),
    };
    const audit = make({ places: [{ place, everyMs: 1 }] });
    await audit.start();
    await audit.append(entry(1));
    await until(async () => (await audit.deliveries())[0]?.error !== undefined);
    expect(await audit.verify()).toMatchObject({ ok: true, places: [{ place: 'vault', error: 'not mounted' }] });

    await audit.append(entry(2));
    away = false;
    await until(() => lines.length > 0);
    expect(JSON.parse(lines.at(-1) ?? '{}')).toMatchObject({ seq: 2 });
  });

  it('is exported as JSONL that verifies without the store, whole or in part', async () => {
    const audit = make();
    for (let n = 1; n <= 3; n++) await audit.append(entry(n, { detail: { 'ключ "': 'a,b\n', __proto__: 1 } }));
    clock = new Date(clock.getTime() + 3_600_000);
    for (let n = 4; n <= 6; n++) await audit.append(entry(n));
    const file = join(home, 'export.jsonl');
    await exportTo(audit, file, {});
    expect(await verifyFile(file, key)).toMatchObject({ ok: true, records: 6, first: 1, last: 6 });
    const text = await exportTo(audit, file, { since: clock, until: new Date(clock.getTime() + 1) });
    // The export itself is in the record.
    expect(await ask(audit, 'audit-logs', { action: 'audit.exported' })).toMatchObject({
      items: [{ outcome: 'succeeded' }, { outcome: 'allowed' }, { outcome: 'succeeded' }, { outcome: 'allowed' }],
    });
    expect(await verifyFile(file, key)).toMatchObject({ ok: true, records: 5, first: 4, last: 8 });

    const lines = text.split('\n').filter(Boolean);
    const changed = async (other: string[]) => {
      await writeFile(file, other.join('\n'));
      return (await verifyFile(file, key)).problem;
    };
    expect(await changed(lines.map((line) => line.replace('tok_5', 'tok_x')))).toMatchObject({
      kind: 'edited',
      seq: 5,
    });
    expect(await changed(lines.toSpliced(1, 1))).toMatchObject({ kind: 'removed', seq: 5 });
    expect(await changed(lines.toReversed())).toMatchObject({ kind: 'reordered' });
    await writeFile(file, lines.join('\n'));
    await expect(verifyFile(file, randomBytes(32))).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  });

  it('is exported as CSV that no spreadsheet computes', async () => {
    const audit = make();
    await audit.append(entry(1, { reason: '=HYPERLINK("http://evil")', actor: { ...ada, name: '@ada' } }));
    const text = await exportTo(audit, join(home, 'x.csv'), { format: 'csv' });

    const [titles, row] = text.split('\r\n');
    expect(titles?.split(',')).toContain('hash');
    expect(row).toContain(`"'=HYPERLINK(""http://evil"")"`);
    expect(row).toContain(`"'@ada"`);
  });

  it('goes on behind another process with the same key, and tells it from one without', async () => {
    const server = make();
    await server.append(entry(1));
    const beside = make();
    await beside.append(entry(2));
    await server.append(entry(3));
    await beside.append(entry(4));

    expect(await server.verify()).toMatchObject({ ok: true, records: 4 });
  });

  it('has a chain for each node, of which each verifies its own and names the others', async () => {
    const [one, other] = [make(), make({ key: randomBytes(32), node: 'n2', checkpointFile: join(home, 'other') })];
    for (let n = 1; n <= 3; n++) await one.append(entry(n));
    await other.append(entry(4, { action: 'run.started' }));

    expect(await one.verify()).toMatchObject({ ok: true, records: 3, others: [{ node: 'n2', records: 1 }] });
    expect(await other.verify()).toMatchObject({ ok: true, records: 1, others: [{ node: 'n1', records: 3 }] });
    expect(await ask(one, 'audit-logs', { node: 'n2' })).toMatchObject({
      items: [{ action: 'run.started', node: 'n2' }],
    });
    const file = join(home, 'both.jsonl');
    await exportTo(one, file, {});
    expect(await verifyFile(file, key)).toMatchObject({ ok: true, others: [{ records: 1 }] });
  });

  it('keeps who it was, whose id looks like a secret', async () => {
    const audit = make();
    const bot: AuditEntry['actor'] = { kind: 'token', id: 'token:EBPKiSE36JdD', name: 'token: hunter2', role: 'agent' };
    await audit.append(entry(1, { actor: bot, detail: { said: 'token: hunter2' } }));

    const { items } = await ask(audit, 'audit-logs', { actor: 'token:EBPKiSE36JdD' });
    expect(items).toHaveLength(1);
    expect(JSON.stringify(items)).not.toContain('hunter2');
  });

  it('filters by every column, and counts by day', async () => {
    const audit = make();
    await audit.append(entry(1));
    await audit.append(entry(2, { outcome: 'refused', from: '10.0.0.8', subject: { kind: 'run', id: 'run:2' } }));
    clock = new Date(clock.getTime() + 86_400_000);
    await audit.append(entry(3, { actor: { ...ada, id: 'token:9', name: 'bot', onBehalfOf: 'eve' } }));
    const seqs = async (filters: object): Promise<number[]> =>
      (await ask(audit, 'audit-logs', { action: 'token.created', ...filters })).items.map(({ seq }) => seq);

    expect(await seqs({ from: '10.0.0.8' })).toEqual([2]);
    expect(await seqs({ subject: 'run' })).toEqual([2]);
    expect(await seqs({ subject: 'run:run:2' })).toEqual([2]);
    expect(await seqs({ actor: 'eve' })).toEqual([3]);
    expect(await seqs({ node: 'n1', outcome: 'succeeded', until: clock })).toEqual([1]);
    expect(await ask(audit, 'audit-statistics', { until: new Date(clock.getTime() + 1_000) })).toMatchObject({
      refused: 1,
      byDay: [
        { day: '2026-11-20', count: 2, refused: 1 },
        { day: '2026-11-21', refused: 0 },
      ],
      byActor: expect.arrayContaining([{ id: 'usr_1', name: 'ada', count: expect.any(Number), refused: 1 }]),
    });
  });

  it('tells the story of a run, and of what it ran on, in its order', async () => {
    const audit = make();
    const about = (action: string, more: Partial<AuditEntry> = {}): Promise<void> => {
      clock = new Date(clock.getTime() + 1_000);
      return audit.append(entry(0, { action, subject: { kind: 'run', id: 'run_1' }, ...more }));
    };
    await about('run.requested', { subject: { kind: 'automation', id: 'restart-service' }, requestId: 'q1' });
    await about('run.requested', { detail: { target: 'res_1' } });
    await about('run.accepted', { requestId: 'q1' });
    await about('run.planned', { causation: { runId: 'run_1' } });
    await about('run.requested', { subject: { kind: 'run', id: 'run_2' }, detail: { target: 'res_2' } });
    await about('run.approved');
    await about('run.change', { subject: { kind: 'change', id: 'c1' }, causation: { runId: 'run_1' } });
    await about('run.finished');
    await audit.append(entry(1));

    const story = [
      'run.requested',
      'run.requested',
      'run.accepted',
      'run.planned',
      'run.approved',
      'run.change',
      'run.finished',
    ];
    const trail = async (type: string, id: string) =>
      (await ask(audit, 'audit-trail', { type, id })).items.map(({ action }) => action);
    expect(await trail('run', 'run_1')).toEqual(story);
    expect(await trail('resource', 'res_1')).toEqual(story);
    expect(await trail('token', 'tok_1')).toEqual(['token.created']);
    const first = await ask(audit, 'audit-trail', { type: 'run', id: 'run_1', limit: 3 });
    const rest = await ask(audit, 'audit-trail', { type: 'run', id: 'run_1', cursor: first['next'] });
    expect([...first.items, ...rest.items].map(({ action }) => action)).toEqual(story);
  });
});
