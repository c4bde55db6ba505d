import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createExports } from '../../adapters/exports/index.ts';
import { systemActor } from '../../core/actor.ts';
import type { ObjectLock } from '../../core/backup/object-lock.ts';
import { BackupRepository } from '../../core/backup/repository.ts';
import type { BackupSchedule } from '../../core/backup/schedule.ts';
import { BackupSource } from '../../core/backup/source.ts';
import { Retention } from '../../core/backup/retention.ts';
import type { LayerResult, Manifest } from '../../core/backup/copy.ts';
import type { VerificationReport } from '../../core/backup/verification.ts';
import { StewardError } from '../../core/errors.ts';
import type { Incident, NewIncident } from '../../core/incident.ts';
import type { Run } from '../../core/run.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { defined } from '../../testing/defined.ts';
import { memoryLog } from '../../testing/log.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { type Backups, backupMigrations, createBackupRecord, recordedAt } from './index.ts';

const START = Date.parse('2026-03-01T00:00:00Z');
const HOUR = 3_600_000;

describe('the record of copies', () => {
  let database: TestDatabase;
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let backups: Backups;
  let clock: Date;
  let freeBytes: number;
  let repository: BackupRepository;
  let lock: () => Promise<ObjectLock | undefined>;
  let schedule: BackupSchedule;
  let open: Map<string, NewIncident & { status: Incident['status'] }>;
  let runs: Map<string, Partial<Run>>;
  const log = memoryLog();
  const sources = [
    BackupSource.parse({ kind: 'sqlite', name: 'shop', path: '/srv/shop.db', critical: true }),
    BackupSource.parse({ kind: 'files', name: 'etc', paths: ['/etc'] }),
  ];

  beforeEach(async () => {
    [database, folder] = await Promise.all([testDatabase({ migrations: backupMigrations }), tempFolder()]);
    clock = new Date(START);
    freeBytes = 50;
    repository = { kind: 'directory', name: 'local', path: '/backups', appendOnly: false };
    lock = async () => undefined;
    schedule = 'every-6h';
    open = new Map();
    runs = new Map();
    backups = createBackupRecord({
      store: database.store,
      backups: {
        sources: () => sources,
        repositories: () => [repository],
        objectLock: async () => await lock(),
        state: async () => ({ ok: true, encrypted: false, freeBytes, totalBytes: 100, locks: [] }),
        manifest: async () => manifest('cp', 1),
        async *entries() {
          for (const path of ['/etc', '/etc/hosts', '/etc/ssl', '/etc/ssl/key.pem'])
            yield { path, kind: 'file' as const, bytes: 1 };
        },
      },
      kit: async (copies, locks) =>
        `kit with ${[...locks.values()].map(({ message }) => message).join()}${copies.map(({ repository, location }) => `${location} in ${repository}`).join()}`,
      proposals: async () => [
        {
          name: 'redis',
          kind: 'redis',
          coveredBy: undefined,
          why: 'it runs here',
          missing: undefined,
          yaml: '- kind: redis',
        },
        { name: 'shop', kind: 'sqlite', coveredBy: 'shop', why: 'it is open', missing: undefined, yaml: '' },
      ],
      runs: { get: async (id) => runs.get(id) as Run | undefined },
      workflows: { execute: async () => ({ id: 'wf_1', status: 'running' }) as never },
      incidents: {
        open: async (incident) => {
          open.set(incident.fingerprint, { ...incident, status: 'open' });
          return { id: incident.fingerprint } as Incident;
        },
        byFingerprint: async (fingerprint) => {
          const found = open.get(fingerprint);
          return found && ({ id: fingerprint, status: found.status } as Incident);
        },
        unresolved: async () =>
          [...open]
            .filter(([, { status }]) => status !== 'resolved')
            .map(([fingerprint, { symptom }]) => ({ id: fingerprint, fingerprint, symptom }) as Incident),
        resolve: async (id) => void (defined(open.get(id)).status = 'resolved'),
      },
      exports: createExports(folder.path),
      settings: () => ({
        rules: {
          retention: Retention.parse({}),
          maxAgeMs: 7 * 24 * HOUR,
          verificationMs: 300_000,
          verifyAll: false,
          nearlyFull: 90,
        },
        schedule,
        shrink: 0.5,
        slow: 4,
      }),
      keepMs: () => 365 * 24 * HOUR,
      node: { id: 'node_1', name: 'n1' },
      now: () => clock,
      log,
    });
    await backups.start();
  });
  afterEach(async () => {
    await backups.stop();
    await Promise.all([database.drop(), folder.remove()]);
  });

  const later = (by: number): void => void (clock = new Date(clock.getTime() + by));
  const ask = async <T>(name: string, input: object = {}): Promise<T> => {
    const operation = defined(backups.operations.find((each) => each.name === name));
    const call = { actor: systemActor('test'), now: clock, from: 'local', requestId: 'r' };
    return operation.output.parse(await operation.handle(operation.input.parse(input), call)) as T;
  };
  const watch = async (): Promise<string[]> => {
    const job = defined(backups.jobs.find(({ name }) => name === 'backup-watch'));
    await job.run({ now: clock, signal: new AbortController().signal });
    return [...open].flatMap(([fingerprint, { status }]) => (status === 'open' ? [fingerprint] : [])).toSorted();
  };
  const manifest = (id: string, bytes: number): Manifest => ({
    format: 'steward-copy/1',
    copy: id,
    source: { name: 'shop', kind: 'sqlite' },
    node: 'n1',
    startedAt: clock.toISOString(),
    snapshotAt: clock.toISOString(),
    endedAt: clock.toISOString(),
    tools: {},
    leftOut: [{ what: 'the table sessions', why: 'excludeTables names it' }],
    parts: [{ name: 'shop.db', kind: 'image', bytes, sha256: 'x', storedBytes: bytes }],
    contents: { items: 3, total: 12, checksum: 'y' },
  });
  const copy = async (id: string, { source = 'shop', bytes = 1_000 } = {}): Promise<void> => {
    const kind = source === 'shop' ? 'sqlite' : 'files';
    await backups.copies.begin({ id, source, kind, repository: 'local', runId: 'run_1' });
    await backups.copies.complete(id, {
      location: `${source}/${id}`,
      storedBytes: bytes / 2,
      manifest: manifest(id, bytes),
    });
  };
  const layer = (name: LayerResult['layer'], ok = true): LayerResult => ({
    layer: name,
    ok,
    statement: ok ? 'it holds' : 'a byte differs',
    durationMs: 1_500,
  });
  interface Standing {
    readonly source: string;
    readonly state: string;
    readonly proven: boolean;
    readonly rpoSeconds?: number;
    readonly rtoSeconds?: number;
  }
  const standing = async (source = 'shop'): Promise<Standing> =>
    defined((await ask<{ items: Standing[] }>('backups')).items.find((each) => each.source === source));

  it('calls a source proven only once its newest copy was restored, and says what would be lost and what it takes', async () => {
    expect(await standing()).toMatchObject({ state: 'none', proven: false });
    await copy('cp_1');
    expect(await standing()).toMatchObject({ state: 'unproven', proven: false });
    await backups.copies.looked('cp_1', [layer('bytes'), layer('structure')]);
    expect(await standing()).toMatchObject({ state: 'unproven', proven: false });
    await backups.copies.looked('cp_1', [layer('restore'), layer('content')]);
    later(2 * HOUR);
    expect(await standing()).toMatchObject({ state: 'proven', proven: true, rpoSeconds: 7_200, rtoSeconds: 2 });
    await copy('cp_2');
    expect(await standing()).toMatchObject({ state: 'unproven', rpoSeconds: 7_200 });
    const point = `the copy of shop of ${new Date(START).toISOString()} in local, proven (cp_1)`;
    expect(await backups.recoveryPoint(defined(sources[0]))).toBe(point);
    expect(await backups.recoveryPoint(defined(sources[1]))).toBeUndefined();
  });

  it('judges a source by its backups, not by what was copied right before a restore', async () => {
    await copy('cp_1');
    await backups.copies.looked('cp_1', [layer('restore')]);
    await copy('cp_r_safety');
    expect(await standing()).toMatchObject({ state: 'proven' });
    await backups.copies.looked('cp_r_safety', [layer('restore', false)]);
    expect(await standing()).toMatchObject({ state: 'proven' });
    expect(await backups.recoveryPoint(defined(sources[0]))).toContain('(cp_1)');
  });

  it('believes no copy that a clock made which ran ahead: it is late, and what would be lost is unknown', async () => {
    const now = clock;
    later(365 * 24 * HOUR);
    await copy('cp_1');
    await backups.copies.looked('cp_1', [layer('restore')]);
    clock = now;
    expect(await standing()).toMatchObject({ state: 'late', proven: false });
    expect(await standing()).not.toHaveProperty('rpoSeconds');
    expect(await watch()).toEqual(['backup.missed:node_1:shop:local']);
    later(1_000);
    await copy('cp_2');
    expect(await watch()).toEqual([]);
  });

  it('puts no way back from a restore into the recovery kit', async () => {
    await copy('cp_1');
    await copy('cp_r_safety');
    await backups.copies.looked('cp_r_safety', [layer('restore')]);
    const { page } = await ask<{ page: string }>('backup-kit', {});
    expect(page).toContain('shop/cp_1 in local');
    expect(page).not.toContain('cp_r_safety');
  });

  it('never shows what is to be locked and is not as safe, tells of it, and is content once it is', async () => {
    repository = BackupRepository.parse({
      kind: 'restic',
      name: 'local',
      url: 's3:https://s3.example.org/b',
      objectLock: true,
    });
    let said: ObjectLock = { state: 'unlocked', message: 'its bucket has no object lock', hint: 'Make one.' };
    lock = async () => said;
    await copy('cp_1');
    await backups.copies.looked('cp_1', [layer('restore')]);
    expect(await standing()).toMatchObject({
      state: 'unlocked',
      proven: false,
      message: expect.stringContaining('its bucket has no object lock'),
    });
    expect(await watch()).toEqual(['repository.unlocked:node_1:local']);
    expect(await ask('backup-kit', {})).toMatchObject({
      page: expect.stringContaining('its bucket has no object lock'),
    });

    // Nobody answers: nothing is known, and nothing is over.
    lock = async () =>
      await Promise.reject(new StewardError('UNAVAILABLE', 'https://s3.example.org cannot be reached.'));
    expect(await watch()).toEqual(['repository.unlocked:node_1:local']);
    later(HOUR);
    expect(await standing()).toMatchObject({
      state: 'unlocked',
      message: expect.stringContaining('cannot be reached'),
    });

    said = { state: 'locked', mode: 'COMPLIANCE', days: 30, message: 'each object is locked for 30 days' };
    lock = async () => said;
    expect(await watch()).toEqual([]);
    expect(await standing()).toMatchObject({
      state: 'proven',
      proven: true,
      objectLock: { state: 'locked', days: 30 },
    });
  });

  it('says of a proof what it does not hold for, until one holds for all', async () => {
    await copy('cp_1');
    const unsure = { count: 2, first: ['/srv/a.log', '/srv/b.log'] };
    await backups.copies.looked('cp_1', [layer('restore'), { ...layer('content'), unsure }]);
    expect(await standing()).toMatchObject({
      state: 'partly',
      proven: false,
      message: expect.stringContaining('/srv/a.log, /srv/b.log'),
    });
    expect(await ask('backup-get', { id: 'cp_1' })).toMatchObject({ unsure });
    await backups.copies.looked('cp_1', [layer('restore'), layer('content')]);
    expect(await standing()).toMatchObject({ state: 'proven', proven: true });
    expect(await ask('backup-get', { id: 'cp_1' })).not.toHaveProperty('unsure');
  });

  it('keeps what a program quotes of a damaged copy, whatever that is', async () => {
    await copy('cp_1');
    await backups.copies.looked('cp_1', [
      { ...layer('bytes', false), statement: 'invalid \0 in \ud800', evidence: { said: 'a\0b' } },
    ]);
    expect(await standing()).toMatchObject({ state: 'unsound', message: 'bytes: invalid \ufffd in \ufffd' });
    await backups.copies.looked('cp_1', [layer('restore')], 'no \0');
    await backups.copies.begin({ id: 'cp_2', source: 'shop', kind: 'sqlite', repository: 'local', runId: 'run_1' });
    await backups.copies.fail('cp_2', 'it said \0');
    expect((await backups.copies.find({ id: 'cp_2' }))[0]?.status).toBe('failed');
  });

  it('takes a proof back when a later look finds something wrong', async () => {
    await copy('cp_1');
    await backups.copies.looked('cp_1', [layer('restore')]);
    await backups.copies.looked('cp_1', [layer('bytes', false)]);
    expect(await standing()).toMatchObject({ state: 'unsound', proven: false, message: 'bytes: a byte differs' });
    expect(await watch()).toEqual(['backup.unsound:node_1:shop:local']);
    await backups.copies.begin({ id: 'cp_2', source: 'shop', kind: 'sqlite', repository: 'local', runId: 'run_1' });
    await backups.copies.fail('cp_2', 'the disk is full');
    expect(await watch()).toEqual(['backup.unsound:node_1:shop:local']);
    const shown = await ask<{ looks: { layer: string; ok: boolean }[]; leftOut: unknown }>('backup-get', {
      id: 'cp_1',
    });
    expect(shown.leftOut).toEqual([{ what: 'the table sessions', why: 'excludeTables names it' }]);
    expect(shown.looks.map(({ layer: name, ok }) => [name, ok])).toEqual([
      ['bytes', false],
      ['restore', true],
    ]);
  });

  it('tells that a copy cannot be restored here, takes no proof back for it, and is content once it could', async () => {
    await copy('cp_1');
    await backups.copies.looked('cp_1', [layer('restore')]);
    later(HOUR);
    await backups.copies.looked('cp_1', [layer('structure')], 'restore: there is no redis-server on this machine');
    expect((await backups.copies.find({ id: 'cp_1' }))[0]).toMatchObject({
      provenAt: new Date(START),
      triedAt: clock,
      fault: null,
    });
    await copy('cp_2');
    expect(await watch()).toEqual(['backup.undrilled:node_1:shop:local']);
    expect(await standing()).toMatchObject({ state: 'unproven', message: expect.stringContaining('no redis-server') });
    later(HOUR);
    await backups.copies.looked('cp_2', [layer('restore')]);
    expect(await watch()).toEqual([]);
  });

  it('ends what it opened of a source that is configured no more, and nothing of other machines', async () => {
    later(13 * HOUR);
    const other = { title: '', symptom: 'backup.missed', severity: 'critical', evidence: null } as const;
    open.set('backup.missed:node_10:x:local', {
      ...other,
      fingerprint: 'backup.missed:node_10:x:local',
      status: 'open',
    });
    const there = ['backup.missed:node_10:x:local', 'backup.missed:node_1:shop:local'];
    expect(await watch()).toEqual(there);
    const [shop] = sources.splice(0, 1);
    expect(await watch()).toEqual(there.slice(0, 1));
    sources.unshift(defined(shop));
  });

  it('misses what was never copied and what is late, whatever the reason, and is content again with a new copy', async () => {
    expect(await watch()).toEqual([]);
    later(13 * HOUR);
    expect(await watch()).toEqual(['backup.missed:node_1:shop:local']);
    expect(open.get('backup.missed:node_1:shop:local')?.severity).toBe('critical');
    await copy('cp_1');
    expect(await watch()).toEqual([]);
    later(8 * HOUR);
    expect(await watch()).toEqual(['backup.missed:node_1:shop:local']);
    later(30 * HOUR);
    await copy('cp_2');
    await copy('cp_3', { source: 'etc' });
    expect(await watch()).toEqual([]);
  });

  it('notices a copy that is far smaller than the usual ones, and a repository that fills up', async () => {
    for (let made = 1; made <= 4; made += 1) {
      await copy(`cp_${made}`);
      later(HOUR);
    }
    await copy('cp_5', { bytes: 100 });
    freeBytes = 5;
    expect(await watch()).toEqual(['backup.shrunk:node_1:shop:local', 'repository.full:node_1:local']);
    await copy('cp_6');
    freeBytes = 50;
    expect(await watch()).toEqual([]);
  });

  it('begins a copy once, through a crash and another attempt, and keeps its first instant', async () => {
    const order = { id: 'cp_1', source: 'shop', kind: 'sqlite' as const, repository: 'local', runId: 'run_1' };
    const first = await backups.copies.begin(order);
    expect(first.first).toBe(true);
    later(60_000);
    expect(await backups.copies.begin(order)).toMatchObject({ startedAt: first.startedAt, first: false });
    await backups.copies.fail('cp_1', 'the disk is full');
    expect(await standing()).toMatchObject({ state: 'failing', message: 'the disk is full' });
    await backups.copies.begin(order);
    await backups.copies.complete('cp_1', { location: 'shop/cp_1', storedBytes: 1, manifest: manifest('cp_1', 1) });
    // What is whole is not begun again, and does not fail afterwards.
    expect(await backups.copies.begin(order)).toMatchObject({ status: 'complete' });
    await backups.copies.fail('cp_1', 'too late');
    expect(await standing()).toMatchObject({ state: 'unproven' });
  });

  it('knows which copy was made at a place, until it is removed there', async () => {
    await copy('cp_1');
    await copy('cp_2');
    const at = recordedAt({ store: database.store, node: { id: 'node_1', name: 'n1' } });
    const place = { source: 'shop', repository: 'local', location: 'shop/cp_1' };
    expect(await at(place)).toMatchObject({ id: 'cp_1', contents: { items: 3, total: 12, checksum: 'y' } });
    expect(await at({ ...place, repository: 'elsewhere' })).toBeUndefined();
    await backups.copies.removed('cp_1', 'retention');
    expect(await at(place)).toBeUndefined();
  });

  it('tells how many of the attempts of the last thirty days made a copy, of all and of each place', async () => {
    await copy('cp_old');
    later(31 * 24 * HOUR);
    await copy('cp_1');
    await backups.copies.removed('cp_1', 'retention');
    await copy('cp_2', { source: 'etc' });
    const failed = async (id: string): Promise<void> => {
      await backups.copies.begin({ id, source: 'shop', kind: 'sqlite', repository: 'local', runId: 'run_1' });
      await backups.copies.fail(id, 'nobody answers');
    };
    await failed('cp_3');
    await failed('cp_4');
    await backups.copies.removed('cp_4', 'nobody needs to know');
    const { successRate, items } = await ask<{ successRate: number; items: (Standing & { successRate: number })[] }>(
      'backups',
    );
    expect(successRate).toBe(50);
    expect(items.map(({ source, state, successRate: own }) => [source, state, own])).toEqual([
      ['shop', 'failing', 33.3],
      ['etc', 'unproven', 100],
    ]);
  });

  it('says whether copies are made as somebody asks, or what to write for it, and misses them by what is in force', async () => {
    const said = async (asked: string): Promise<string> =>
      (await ask<{ schedule: string }>('auto-backup', { schedule: asked })).schedule;
    expect(await said('every-6h')).toMatch(/^It is in force: databases are copied every 6 hours/);
    expect(await said('daily')).toMatch(/set backups\.schedule to daily in steward\.yaml/);
    expect(await said('hourly')).toMatch(/set backups\.schedule to hourly .*databases are copied every hour/);
    await copy('cp_1');
    later(8 * HOUR);
    expect(await standing()).toMatchObject({ state: 'late' });
    schedule = 'daily-02:00';
    expect(await standing()).toMatchObject({ state: 'unproven' });
    expect(await said('daily-02:00')).toMatch(/^It is in force: everything is copied every day at 02:00 UTC/);
    expect(await said('before-maintenance')).toContain('set backups.schedule to before-maintenance');
    schedule = 'before-maintenance';
    expect(await said('daily')).toMatch(/^It is in force/);
    schedule = 'weekly';
    later(6 * 24 * HOUR);
    expect(await standing()).toMatchObject({ state: 'unproven' });
    schedule = 'hourly';
    expect(await standing()).toMatchObject({ state: 'late' });
  });

  it('closes what a run left that is over', async () => {
    await backups.copies.begin({ id: 'cp_1', source: 'shop', kind: 'sqlite', repository: 'local', runId: 'run_gone' });
    await backups.copies.begin({ id: 'cp_2', source: 'etc', kind: 'files', repository: 'local', runId: 'run_works' });
    runs.set('run_works', { status: 'running' });
    await watch();
    const { items } = await ask<{ items: { id: string; status: string }[] }>('backup-history');
    expect(items.map(({ id, status }) => [id, status])).toEqual([
      ['cp_2', 'writing'],
      ['cp_1', 'failed'],
    ]);
  });

  it('pages through the history, and looks into a copy', async () => {
    for (let made = 1; made <= 3; made += 1) await copy(`cp_${made}`);
    await copy('cp_etc', { source: 'etc' });
    const page = await ask<{ items: { id: string }[]; next?: string }>('backup-history', { source: 'shop', limit: 2 });
    expect(page.items.map(({ id }) => id)).toEqual(['cp_3', 'cp_2']);
    const rest = await ask<{ items: { id: string }[] }>('backup-history', { source: 'shop', cursor: page.next });
    expect(rest.items.map(({ id }) => id)).toEqual(['cp_1']);
    expect(await ask('backup-browse', { id: 'cp_etc', below: '/etc/ssl' })).toEqual({
      items: [
        { path: '/etc/ssl', kind: 'file', bytes: 1 },
        { path: '/etc/ssl/key.pem', kind: 'file', bytes: 1 },
      ],
      truncated: false,
    });
    await expect(ask('backup-browse', { id: 'cp_none' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('shows what nobody copies', async () => {
    const names = async (input: object): Promise<string[]> =>
      (await ask<{ items: { name: string }[] }>('backup-proposals', input)).items.map(({ name }) => name);
    expect(await names({})).toEqual(['redis']);
    expect(await names({ all: true })).toEqual(['redis', 'shop']);
  });

  it('writes what a verification found as a file, with a link to the latest', async () => {
    const report: VerificationReport = {
      at: clock,
      node: 'n1',
      ok: true,
      complete: true,
      copies: [],
      postponed: [],
      missing: [],
      repositories: [],
    };
    runs.set('run_v', { node: 'node_1', output: JSON.parse(JSON.stringify(report)) });
    await database.store.db.transaction().execute(async (trx) => {
      await database.store.events.append(trx, {
        type: 'run.finished',
        data: { runId: 'run_v', automation: 'verify-backups', status: 'succeeded', dryRun: false },
      });
    });
    await expect
      .poll(async () => await readdir(join(folder.path, 'logs')).catch(() => []), { timeout: 10_000 })
      .toEqual(['backup_verification_report_20260301_000000.json', 'latest_backup_verification_report.json']);
    const text = await readFile(join(folder.path, 'logs', 'latest_backup_verification_report.json'), 'utf8');
    expect(JSON.parse(text)).toMatchObject({ ok: true, node: 'n1' });
  });

  it('tells of each step as an event', async () => {
    await copy('cp_1');
    await backups.copies.looked('cp_1', [layer('restore')]);
    await backups.copies.removed('cp_1', 'retention');
    const events = await database.store.events.read({ limit: 10 });
    expect(events.map(({ type }) => type)).toEqual(['backup.completed', 'backup.proven', 'backup.removed']);
  });
});
