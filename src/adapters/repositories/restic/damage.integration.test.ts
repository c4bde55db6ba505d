import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackupRepository } from '../../../core/backup/repository.ts';
import type { CopyStore } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { ProgramRequest } from '../../../core/ports/programs.ts';
import { memoryLog } from '../../../testing/log.ts';
import { freePort, hasProgram } from '../../../testing/world/start-program.ts';
import { sftpMissing, startSftp } from '../../../testing/world/sftp-server.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { createOutbound } from '../../outbound/outbound.ts';
import { createPrograms } from '../../programs/index.ts';
import { createCopyStore } from '../index.ts';
import { allOf, AT, bytesOf, doing, manifestOf, openStore, sealCopy } from '../repository.contract.ts';
import { parseLock } from './locks.ts';

const restic = (url: string, more: object = {}): BackupRepository =>
  BackupRepository.parse({ kind: 'restic', name: 'disk', url, ...more });

describe.skipIf(!hasProgram('restic'))('restic that met bad luck (needs restic)', () => {
  let home: TempFolder;
  let url: string;
  let store: CopyStore;
  beforeAll(async () => {
    home = await tempFolder();
    url = join(home.path, 'restic');
    store = openStore({ repository: restic(url) }, home.path);
    await store.prepare(doing);
  }, 60_000);
  afterAll(() => home.remove());

  async function packs(): Promise<string[]> {
    const names = await readdir(join(url, 'data'), { recursive: true });
    return names.filter((name) => /[0-9a-f]{64}$/.test(name)).map((name) => join(url, 'data', name));
  }

  it.each([
    ['one flipped byte', async (path: string) => flipByte(path, 100)],
    ['a truncated pack', async (path: string) => await truncate(path, 200)],
    ['a missing pack', async (path: string) => await rm(path)],
  ])(
    'tells %s, and what is older is whole',
    async (what, harm) => {
      const id = what.replaceAll(' ', '-');
      const older = await sealCopy(store, `older-${id}`);
      const before = new Set(await packs());
      const { location, part } = await sealCopy(store, id, bytesOf(randomBytes(2_000_000)));
      const [largest = ''] = (await sized(await packs()))
        .filter(({ path }) => !before.has(path))
        .map(({ path }) => path);
      await chmod(largest, 0o600);
      await harm(largest);

      const result = await store.check(location, doing);

      expect(result).toMatchObject({ ok: false, statement: expect.stringMatching(/disk: its data is damaged/) });
      await expect(allOf(store.read(location, part, doing))).rejects.toMatchObject({ code: 'VERIFICATION_FAILED' });
      expect(await store.check(older.location, doing)).toMatchObject({ ok: true });
    },
    90_000,
  );

  it('is not opened by another key, and says so', async () => {
    const wrong = openStore(
      { repository: restic(url, { password: { env: 'WRONG' } }), variables: { WRONG: 'wrong' } },
      home.path,
    );
    await expect(wrong.list(doing)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('key'),
    });
    await expect(wrong.prepare(doing)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  }, 60_000);

  it('is not taken over without its key, and no key is made for it', async () => {
    await using other = await tempFolder();
    await expect(openStore({ repository: restic(url) }, other.path).prepare(doing)).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    expect((await readdir(join(other.path, 'backup-keys'))).filter((name) => !name.startsWith('.'))).toEqual([]);
  }, 60_000);

  it('gets its key in no argument and no variable, and leaves no file of it', async () => {
    const programs = createPrograms({ environment: process.env });
    const asked: Omit<ProgramRequest, 'input'>[] = [];
    const watched = createCopyStore(restic(url), {
      programs: {
        run(request) {
          asked.push(request);
          return programs.run(request);
        },
        stream(request, take) {
          asked.push(request);
          return programs.stream(request, take);
        },
      },
      secrets: async () => '',
      outbound: createOutbound(),
      home: home.path,
      node: 'alpha',
      now: () => new Date(),
      log: memoryLog(),
    });
    await sealCopy(watched, 'watched');

    const key = (await readFile(join(home.path, 'backup-keys/disk'), 'utf8')).trim();
    expect(key).toHaveLength(43);
    expect(asked.length).toBeGreaterThan(1);
    expect(JSON.stringify(asked.map(({ args, env }) => ({ args, env })))).not.toContain(key);
    expect((await stat(join(home.path, 'backup-keys/disk'))).mode & 0o777).toBe(0o600);
    expect(await readdir(join(home.path, 'backup-keys'))).toEqual(['disk']);
  }, 60_000);

  /** By a store whose restic, once it has kept this part, is found to have been canceled. */
  function cutAfter(part: string): CopyStore {
    const programs = createPrograms({ environment: process.env });
    return createCopyStore(restic(url), {
      programs: {
        run: programs.run,
        async stream(request, take) {
          const result = await programs.stream(request, take);
          if (request.args?.some((arg) => arg.includes(`part=${part}`)))
            throw new StewardError('CANCELED', 'It was canceled.');
          return result;
        },
      },
      secrets: async () => '',
      outbound: createOutbound(),
      home: home.path,
      node: 'alpha',
      now: () => new Date(),
      log: memoryLog(),
    });
  }
  const listed = async (id: string) => (await store.list(doing)).find((each) => each.id === id);

  it('keeps the parts of a copy whose manifest was kept before it was canceled', async () => {
    await expect(
      (async () => {
        const writer = await cutAfter('manifest.json').begin({ id: 'late', source: 'shop', at: AT }, doing);
        const part = await writer.part({ name: 'shop.dump', kind: 'dump' }, bytesOf('content'));
        try {
          await writer.seal(manifestOf('late', [part]));
        } finally {
          await writer.abandon();
        }
      })(),
    ).rejects.toMatchObject({ code: 'CANCELED' });

    const { location = '' } = (await listed('late')) ?? {};
    expect(await store.check(location, doing)).toMatchObject({ ok: true });
  }, 60_000);

  it('takes back a part that was kept before it was canceled, and the same process may try again', async () => {
    const writer = await cutAfter('shop.dump').begin({ id: 'early', source: 'shop', at: AT }, doing);
    await writer.part({ name: 'globals.sql', kind: 'globals' }, bytesOf('roles'));
    await expect(writer.part({ name: 'shop.dump', kind: 'dump' }, bytesOf('content'))).rejects.toMatchObject({
      code: 'CANCELED',
    });
    await writer.abandon();

    expect(await store.sweep(new Set(), doing)).toEqual([]);
    const again = await store.begin({ id: 'early', source: 'shop', at: AT }, doing);
    await again.abandon();
    expect(await listed('early')).toBeUndefined();
  }, 60_000);

  it('tries again in the same process also where the parts of the first try had to stay', async () => {
    const onlyTakes = openStore({ repository: restic(url, { appendOnly: true }) }, home.path);
    const writer = await onlyTakes.begin({ id: 'stays', source: 'shop', at: AT }, doing);
    await writer.part({ name: 'shop.dump', kind: 'dump' }, bytesOf('first'));
    await writer.abandon();

    const again = await onlyTakes.begin({ id: 'stays', source: 'shop', at: AT }, doing);
    const part = await again.part({ name: 'shop.dump', kind: 'dump' }, bytesOf('second'));
    const { location } = await again.seal(manifestOf('stays', [part]));
    expect((await allOf(store.read(location, part, doing))).toString()).toBe('second');
  }, 60_000);

  /** A restic that holds a lock for as long as its input lasts. */
  async function holdLock(): Promise<{ kill(): Promise<void> }> {
    // One that is still being written has another name.
    const count = async (): Promise<number> =>
      (await readdir(join(url, 'locks'))).filter((name) => /^[0-9a-f]{64}$/.test(name)).length;
    const before = await count();
    const child = spawn('restic', ['backup', '--stdin', '--quiet'], {
      env: { ...process.env, RESTIC_REPOSITORY: url, RESTIC_PASSWORD_FILE: join(home.path, 'backup-keys/disk') },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.on('error', () => {});
    child.stdin.write(randomBytes(1000));
    await expect.poll(count, { timeout: 20_000 }).toBe(before + 1);
    return {
      async kill() {
        child.kill('SIGKILL');
        await once(child, 'exit');
      },
    };
  }

  it('leaves the lock of the living alone, and removes that of the dead', async () => {
    const { location } = await sealCopy(store, 'locked');
    const living = await holdLock();
    const dead = await holdLock();
    await dead.kill();
    try {
      const { locks } = await store.state(doing);
      expect(locks.map(({ alive }) => alive).toSorted()).toEqual(['no', 'yes']);
      expect(await store.unlock(doing)).toMatchObject([{ alive: 'no', holder: expect.stringContaining(hostname()) }]);
      expect(await store.unlock(doing)).toEqual([]);
      await expect(store.remove(location, doing)).rejects.toMatchObject({
        code: 'LOCKED',
        message: expect.stringMatching(/somebody works there .*PID \d+/),
      });
      expect((await store.list(doing)).map(({ id }) => id)).toContain('locked');
    } finally {
      await living.kill();
    }
    // The dead one's lock stops nobody.
    await store.remove(location, doing);
    expect((await store.list(doing)).map(({ id }) => id)).not.toContain('locked');
    expect((await store.state(doing)).locks).toEqual([]);
  }, 90_000);

  it.skipIf(process.getuid?.() !== 0)(
    'whose lock was left by a machine that is gone can be read; the lock stays until it was seen for a while (needs the right to be called otherwise)',
    async () => {
      const { location, part } = await sealCopy(store, 'read-beside');
      const held = async (): Promise<string[]> => await readdir(join(url, 'locks'));
      // Alone in the repository, and slow.
      const check = 'hostname elsewhere && exec restic --limit-download 1 check --read-data';
      const other = spawn('unshare', ['--uts', 'sh', '-c', check], {
        env: { ...process.env, RESTIC_REPOSITORY: url, RESTIC_PASSWORD_FILE: join(home.path, 'backup-keys/disk') },
        stdio: 'ignore',
      });
      await expect.poll(held, { timeout: 30_000 }).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
      other.kill('SIGKILL');
      await once(other, 'exit');
      await expect(allOf(store.read(location, part, doing))).rejects.toMatchObject({ code: 'LOCKED' });

      const tomorrow = (): Date => new Date(Date.now() + 25 * 3_600_000);
      const later = openStore({ repository: restic(url) }, home.path, 'alpha', tomorrow);
      expect((await later.state(doing)).locks).toMatchObject([
        { alive: 'unknown', holder: expect.stringContaining('elsewhere') },
      ]);
      expect((await allOf(later.read(location, part, doing))).length).toBe(part.bytes);
      expect(await later.unlock(doing)).toEqual([]);
      await expect(later.remove(location, doing)).rejects.toMatchObject({ code: 'LOCKED' });
      const [id = ''] = await held();
      await rm(join(url, 'locks', id));
      await store.remove(location, doing);
    },
    90_000,
  );

  it.skipIf(process.getuid?.() !== 0)(
    'that is full says so and keeps what is older (needs the right to mount)',
    async () => {
      await using folder = await tempFolder();
      const disk = join(folder.path, 'disk');
      await mkdir(disk);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', disk]);
      try {
        const full = openStore({ repository: restic(join(disk, 'restic')) }, folder.path);
        await full.prepare(doing);
        const older = await sealCopy(full, 'older', bytesOf(randomBytes(1_000_000)));
        const writer = await full.begin({ id: 'large', source: 'shop', at: AT }, doing);
        const endless = async function* (): AsyncGenerator<Uint8Array> {
          for (;;) yield randomBytes(1_000_000);
        };

        await expect(writer.part({ name: 'shop.dump', kind: 'dump' }, endless())).rejects.toMatchObject({
          code: 'DISK_FULL',
        });
        await writer.abandon();

        expect((await full.list(doing)).map(({ id }) => id)).toEqual(['older']);
        expect(await full.check(older.location, doing)).toMatchObject({ ok: true });
      } finally {
        execFileSync('umount', [disk]);
      }
    },
    90_000,
  );

  it('tells a server that is not there, one that refuses, and one that has no repository (needs sshd)', async ({
    skip,
  }) => {
    skip(sftpMissing() !== undefined);
    await using server = await startSftp();
    const far = (command: string): CopyStore =>
      openStore(
        {
          repository: restic(`sftp:${server.user}@127.0.0.1:${server.folder}/restic`, {
            options: [`sftp.command=${command}`],
            password: { env: 'KEY' },
          }),
          variables: { KEY: 'some key' },
        },
        home.path,
      );
    const gone = far(server.command().replace(String(server.port), String(await freePort())));

    // Whether ssh has said why by the time that restic gives up is between the two; then its hint names both.
    expect((await gone.state(doing)).problem?.message).toMatch(/cannot be reached/);
    expect((await far(server.command(server.strangersKey)).state(doing)).problem?.message).toMatch(
      /refuses this user|cannot be reached .*sftp session/,
    );
    expect((await far(server.command()).state(doing)).problem?.message).toMatch(/there is no repository/);
    await expect(gone.prepare(doing)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  }, 60_000);
});

describe('a lock of restic', () => {
  const at = { now: new Date('2026-11-29T12:00:00Z'), sees: true, seenMs: 0 };
  const lock = (of: object): string =>
    JSON.stringify({
      time: '2026-11-29T11:58:00Z',
      exclusive: false,
      hostname: hostname(),
      username: 'root',
      pid: process.pid,
      ...of,
    });

  it('of another machine counts as living until it was not renewed for a day', () => {
    expect(parseLock('a', lock({ hostname: 'elsewhere' }), at).alive).toBe('unknown');
    const seen = { ...at, seenMs: 31 * 60_000 };
    expect(parseLock('a', lock({ hostname: 'elsewhere' }), seen).alive).toBe('unknown');
    expect(parseLock('a', lock({ hostname: 'elsewhere', time: '2026-11-28T11:00:00Z' }), seen).alive).toBe('no');
  });

  it('of a process number that nobody has is dead, and so is one whose number somebody else got later', () => {
    expect(parseLock('a', lock({ pid: 2 ** 22 + 1 }), at).alive).toBe('no');
    expect(parseLock('a', lock({ time: '2001-01-01T00:00:00Z' }), at)).toMatchObject({ alive: 'no', reused: true });
  });
});

async function sized(paths: readonly string[]): Promise<{ path: string; size: number }[]> {
  const all = await Promise.all(paths.map(async (path) => ({ path, size: (await stat(path)).size })));
  return all.toSorted((a, b) => b.size - a.size);
}

async function flipByte(path: string, at: number): Promise<void> {
  await using file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 0x10]), 0, 1, at);
}
