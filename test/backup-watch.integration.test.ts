import { spawnSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../src/core/backup/copy.ts';
import { BackupRepository } from '../src/core/backup/repository.ts';
import { systemActor } from '../src/core/actor.ts';
import { doing, openStore } from '../src/adapters/repositories/repository.contract.ts';
import type { System } from '../src/core/system.ts';
import type { Backups } from '../src/systems/backups/index.ts';
import { createInventory } from '../src/systems/inventory/index.ts';
import { defined } from '../src/testing/defined.ts';
import { aResource } from '../src/testing/fakes/fake-inventory.ts';
import { type AlertSink, startAlertSink } from './kit/alert-sink.ts';
import { composeInProcess, type InProcess } from './kit/composition.ts';

const HOUR = 3_600_000;
const disk = mkdtempSync(join(tmpdir(), 'stw-disk-'));
const mayMount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]).status === 0;

describe.skipIf(!mayMount)('what no run would tell of (needs the right to mount a tmpfs)', () => {
  let world: InProcess;
  let sink: AlertSink;
  let backups: Backups;
  let systems: System[];
  let made = 0;

  beforeAll(async () => {
    sink = await startAlertSink();
    process.env['SINK_SECRET'] = sink.secret;
    world = await composeInProcess({
      config: {
        discovery: { enabled: false },
        alerts: {
          hold: '0s',
          channels: [
            { kind: 'webhook', name: 'sink', url: sink.url, secret: { env: 'SINK_SECRET' }, allowPrivate: true },
          ],
        },
        backups: {
          self: false,
          repositories: [{ name: 'disk', kind: 'directory', path: join(disk, 'copies') }],
          sources: [{ name: 'shop', kind: 'sqlite', path: '/srv/shop.db' }],
        },
      },
    });
    const { composition } = world;
    const named = (name: string): System => defined(composition.systems.find((system) => system.name === name));
    backups = named('backups') as Backups;
    systems = ['incidents', 'alerting', 'backups'].map(named);
    for (const system of systems) await system.start?.();
    const repository = { kind: 'directory', name: 'disk', path: join(disk, 'copies') };
    await openStore({ repository: BackupRepository.parse(repository) }, world.home).prepare(doing);
  }, 120_000);
  afterAll(async () => {
    for (const system of systems?.toReversed() ?? []) await system.stop?.();
    await world?.end();
    await sink?.stop();
    spawnSync('umount', ['-l', disk]);
    rmSync(disk, { recursive: true, force: true });
  }, 60_000);

  /** So much time passed since everything that is on record. */
  async function later(ms: number, id = '%'): Promise<void> {
    const { pool } = world.database.store;
    const before = `- ${ms} * interval '1 ms'`;
    const instants = ['started_at', 'snapshot_at', 'ended_at'].map((name) => `${name} = ${name} ${before}`);
    await pool.query(`update backup_history set ${instants.join(', ')} where id like $1`, [id]);
    if (id === '%') await pool.query(`update backup_sources set first_seen = first_seen ${before}`);
  }

  async function watch(): Promise<void> {
    const job = defined(backups.jobs.find(({ name }) => name === 'backup-watch'));
    await job.run({ now: new Date(), signal: new AbortController().signal });
  }
  async function copy({ bytes = 1_000, takesMs = 1_000 } = {}): Promise<void> {
    made += 1;
    const id = `cp_${made}`;
    await backups.copies.begin({ id, source: 'shop', kind: 'sqlite', repository: 'disk', runId: 'run_test' });
    await later(takesMs, id);
    const at = new Date().toISOString();
    const manifest: Manifest = {
      format: 'steward-copy/1',
      copy: id,
      source: { name: 'shop', kind: 'sqlite' },
      node: 'n1',
      startedAt: at,
      snapshotAt: at,
      endedAt: at,
      tools: {},
      leftOut: [],
      parts: [{ name: 'shop.db', kind: 'image', bytes, sha256: 'x', storedBytes: bytes }],
      contents: { items: 1, total: 1, checksum: 'y' },
    };
    await backups.copies.complete(id, { location: `shop/${id}`, storedBytes: bytes, manifest });
  }
  const incidents = async (): Promise<Map<string, string>> => {
    const { rows } = await world.database.store.pool.query<{ symptom: string; status: string }>(
      'select symptom, status from incidents order by opened_at',
    );
    return new Map(rows.map(({ symptom, status }) => [symptom, status]));
  };
  /** Opened once more by the watch, told to whoever listens, and over by itself when its cause is. */
  async function opensAndResolves(symptom: string, title: RegExp, mend: () => Promise<void> | void): Promise<void> {
    await watch();
    expect((await incidents()).get(symptom)).toBe('open');
    const told = (): number => sink.alerts.filter((alert) => title.test(alert.title)).length;
    await expect.poll(told, { timeout: 30_000 }).toBe(1);
    await mend();
    await watch();
    expect((await incidents()).get(symptom)).toBe('resolved');
    await expect.poll(told, { timeout: 30_000 }).toBe(2);
  }

  it('is told of a source that has no young copy, though nothing failed', async () => {
    await watch();
    expect([...(await incidents())]).toEqual([]);
    await later(13 * HOUR);
    await opensAndResolves('backup.missed', /No young backup: shop in disk/, () => copy());
  }, 90_000);

  it('is told of a copy that is ninety percent smaller than usual', async () => {
    for (let count = 0; count < 4; count += 1) {
      await later(HOUR);
      await copy();
    }
    await later(HOUR);
    await copy({ bytes: 100 });
    await opensAndResolves('backup.shrunk', /far smaller than usual: shop in disk/, async () => {
      await later(HOUR);
      await copy();
    });
  }, 90_000);

  it('is told of a copy that takes far longer than usual', async () => {
    await later(HOUR);
    await copy({ takesMs: 20 * 60_000 });
    await opensAndResolves('backup.slow', /takes far longer than usual: shop in disk/, async () => {
      await later(HOUR);
      await copy();
    });
  }, 90_000);

  it('is told of a repository that is gone, and of one that is nearly full', async () => {
    renameSync(join(disk, 'copies'), join(disk, 'away'));
    await opensAndResolves('repository.unusable', /cannot be written to the repository disk/, () =>
      renameSync(join(disk, 'away'), join(disk, 'copies')),
    );
    writeFileSync(join(disk, 'filler'), Buffer.alloc(3_900_000));
    await opensAndResolves('repository.full', /repository disk is nearly full/, () => rmSync(join(disk, 'filler')));
  }, 90_000);

  it('is told of a database that nobody copies, once it has been there for as long as a copy may be old', async () => {
    const { writer } = createInventory({ store: world.database.store });
    const resource = aResource({
      id: 'res_redis',
      node: 'nod_test',
      name: 'sessions',
      product: 'redis',
      endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 6379 }],
    });
    await writer.apply({
      node: resource.node,
      changes: [
        { kind: 'found', known: { resource, trace: {}, missedScans: 0, missingSince: undefined }, changed: [] },
      ],
      edges: [],
      forgetEdgesBefore: new Date(0),
      at: new Date(),
    });
    await watch();
    expect((await incidents()).get('backup.uncovered')).toBeUndefined();
    await later(7 * 24 * HOUR + HOUR);
    await copy();
    await opensAndResolves('backup.uncovered', /Nobody copies sessions \(redis\)/, async () => {
      await writer.setAdoption(resource.id, 'ignored', systemActor('test'), new Date());
    });
  }, 90_000);
});
