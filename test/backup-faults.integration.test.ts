import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemActor } from '../src/core/actor.ts';
import type { Json } from '../src/core/json.ts';
import type { CopyRecord } from '../src/core/ports/copies.ts';
import type { Run } from '../src/core/run.ts';
import type { System } from '../src/core/system.ts';
import type { Backups } from '../src/systems/backups/index.ts';
import { defined } from '../src/testing/defined.ts';
import { hasProgram } from '../src/testing/world/start-program.ts';
import { composeInProcess, type InProcess } from './kit/composition.ts';
import { eventually } from './kit/steward.ts';

const folder = mkdtempSync(join(tmpdir(), 'stw-faults-'));
const disk = join(folder, 'disk');
mkdirSync(disk);
const can = hasProgram('restic') && spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk]).status === 0;

describe.skipIf(!can)('what goes wrong with copies is seen by whoever looks (needs restic and a tmpfs)', () => {
  let world: InProcess;
  let backups: Backups;
  let systems: System[];
  const source = join(folder, 'shop.db');
  const place = (name: string): string => join(disk, name);

  beforeAll(async () => {
    world = await composeInProcess({
      config: {
        discovery: { enabled: false },
        policy: [
          { id: 'unattended', automation: 'extract-backup', decision: 'auto', why: 'Nobody is there to approve.' },
        ],
        backups: {
          self: false,
          repositories: [
            { name: 'here', kind: 'directory', path: place('here') },
            { name: 'there', kind: 'restic', url: place('there') },
          ],
          sources: [{ name: 'shop', kind: 'sqlite', path: source }],
        },
      },
    });
    const named = (name: string): System => defined(world.composition.systems.find((system) => system.name === name));
    backups = named('backups') as Backups;
    systems = ['incidents', 'backups'].map(named);
    for (const system of systems) await system.start?.();
    await world.composition.engine.start();
  }, 120_000);
  afterAll(async () => {
    await world?.composition.engine.stop();
    for (const system of systems?.toReversed() ?? []) await system.stop?.();
    await world?.end();
    spawnSync('umount', ['-l', disk]);
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  /** Nothing of it is like anything before, so that no copy shares a byte with another. */
  function write(): void {
    const database = new DatabaseSync(source);
    database.exec('create table if not exists pictures (what blob); delete from pictures');
    database.prepare('insert into pictures values (?)').run(randomBytes(200_000));
    database.exec('vacuum');
    database.close();
  }
  async function run(automation: string, input: Json): Promise<Run> {
    const { service } = world.composition.engine;
    const { id } = await service.start({ automation, input, trigger: 'schedule', actor: systemActor('test') });
    return await service.wait(id, { timeoutMs: 120_000 });
  }
  async function backUp(repository: string): Promise<CopyRecord> {
    write();
    const { status, error } = await run('backup', { repositories: [repository] });
    expect([status, error]).toEqual(['succeeded', undefined]);
    return defined((await backups.copies.find({ repository }))[0]);
  }
  const complete = async (repository: string): Promise<readonly CopyRecord[]> =>
    await backups.copies.find({ repository, status: 'complete' });
  const incidents = async (like: string): Promise<string[]> =>
    (
      await world.database.store.pool.query<{ line: string }>(
        `select symptom || ' ' || status as line from incidents where fingerprint like $1 order by opened_at`,
        [like],
      )
    ).rows.map(({ line }) => line);
  async function watch(): Promise<void> {
    const job = defined(backups.jobs.find(({ name }) => name === 'backup-watch'));
    await job.run({ now: new Date(), signal: new AbortController().signal });
  }

  /** The files in which the newest copy lies, the largest first. */
  function filesOf(repository: string, since: ReadonlySet<string>): string[] {
    const root = repository === 'here' ? place('here/shop') : place('there/data');
    return readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !since.has(path) && !/manifest|SHA256SUMS/.test(path))
      .toSorted((a, b) => statSync(b).size - statSync(a).size);
  }
  const HARMS = {
    'one flipped byte': (path: string) => {
      const byte = readFileSync(path)[1_000] ?? 0;
      const file = openSync(path, 'r+');
      writeSync(file, Buffer.from([byte ^ 1]), 0, 1, 1_000);
      closeSync(file);
    },
    'a truncated file': (path: string) => truncateSync(path, 2_000),
    'a missing file': (path: string) => rmSync(path),
  } as const;

  it.each(['here', 'there'])(
    'every kind of damage in %s fails its verification, and takes nothing else along',
    async (repository) => {
      const sound = await backUp(repository);
      const harmed: CopyRecord[] = [];
      for (const harm of Object.values(HARMS)) {
        const before = new Set(filesOf(repository, new Set()));
        harmed.push(await backUp(repository));
        spawnSync('chmod', ['-R', 'u+w', disk]);
        harm(defined(filesOf(repository, before)[0]));
      }
      const looked = await run('verify-backups', { sources: ['shop'], read: 'all', restore: 'none' });

      expect([looked.status, looked.error]).toMatchObject(['failed', { code: 'VERIFICATION_FAILED', phase: 'verify' }]);
      const wrong = looked.checks.filter(({ ok, name }) => !ok && name.includes(repository));
      expect(wrong.map(({ evidence }) => (evidence as { copy: string }).copy).toSorted()).toEqual(
        harmed.map(({ id }) => id).toSorted(),
      );
      const records = new Map((await complete(repository)).map((copy) => [copy.id, copy]));
      expect(records.get(sound.id)).toMatchObject({ fault: null, checkedAt: expect.any(Date) });
      for (const { id } of harmed) expect(records.get(id)?.fault, id).toMatch(/^bytes: .+/);
      await watch();
      expect(await incidents(`backup.unsound:%:${repository}`)).toEqual(['backup.unsound open']);
      // Nobody restores from it by accident: by default another one is taken.
      const extracted = await run('extract-backup', {
        source: 'shop',
        repository,
        folder: join(folder, `from-${repository}`),
      });
      expect([extracted.status, (extracted.output as { copy: string }).copy]).toEqual(['succeeded', sound.id]);

      const mended = await backUp(repository);
      const again = await run('verify-backups', { copy: mended.id });
      expect([again.status, again.error]).toEqual(['succeeded', undefined]);
      await watch();
      expect(await incidents(`backup.unsound:%:${repository}`)).toEqual(['backup.unsound resolved']);
    },
    240_000,
  );

  it('a wrong key fails the copy with what to do, and what is older stays', async () => {
    const before = await complete('there');
    const key = join(world.home, 'backup-keys/there');
    const right = readFileSync(key, 'utf8');
    writeFileSync(key, 'wrong');
    const { status, checks, output } = await run('backup', { repositories: ['there'] });
    writeFileSync(key, right);
    expect(status).toBe('failed');
    expect(checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['A whole copy of shop is in there']);
    expect((output as { failed: { error: string }[] }).failed[0]?.error).toMatch(/key/);
    const [failed] = await backups.copies.find({ repository: 'there' });
    expect([failed?.status, failed?.error]).toEqual(['failed', expect.stringMatching(/key/)]);
    expect(await complete('there')).toEqual(before);
  }, 120_000);

  it('the lock of a dead process is removed, and that of a living one is waited for and then named', async () => {
    const locks = (): string[] => readdirSync(place('there/locks'));
    const env = {
      ...process.env,
      RESTIC_REPOSITORY: place('there'),
      RESTIC_PASSWORD_FILE: join(world.home, 'backup-keys/there'),
    };
    const dead = spawn('restic', ['backup', '--stdin', '--quiet'], { env, stdio: ['pipe', 'ignore', 'ignore'] });
    await eventually('its lock', async () => (locks().length > 0 ? true : undefined));
    dead.kill('SIGKILL');
    await once(dead, 'exit');
    await backUp('there');
    expect(locks()).toEqual([]);

    const before = await complete('there');
    const living = spawn('restic', ['prune', '--quiet'], { env, stdio: 'ignore' });
    try {
      // Between its lock and its end.
      while (locks().length === 0 && living.exitCode === null) await new Promise(setImmediate);
      living.kill('SIGSTOP');
      const { status } = await run('backup', { repositories: ['there'] });
      const [failed] = await backups.copies.find({ repository: 'there' });
      expect([status, failed?.status]).toEqual(['failed', 'failed']);
      expect(failed?.error).toMatch(new RegExp(`lock.*${living.pid}|${living.pid}.*lock`, 'is'));
      expect(await complete('there')).toEqual(before);
    } finally {
      living.kill('SIGCONT');
      await once(living, 'exit').catch(() => undefined);
    }
    await backUp('there');
  }, 240_000);

  it.each(['here', 'there'])(
    'a disk that is full fails the copy to %s, and leaves nothing of it',
    async (repository) => {
      const before = await complete(repository);
      const filler = join(disk, 'filler');
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k']);
      write();
      const { status } = await run('backup', { repositories: [repository] });
      rmSync(filler);
      expect(status).toBe('failed');
      const [failed] = await backups.copies.find({ repository });
      expect([failed?.status, failed?.error]).toEqual(['failed', expect.stringMatching(/full|no space/i)]);
      expect(await complete(repository)).toEqual(before);
      await backUp(repository);
      if (repository === 'here') expect(readdirSync(place('here/.unfinished'))).toEqual([]);
      await expect.poll(() => incidents('%backup%'), { timeout: 20_000 }).not.toEqual([]);
    },
    240_000,
  );
});
