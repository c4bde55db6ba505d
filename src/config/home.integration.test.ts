import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openHome, runningServer } from './home.ts';
import { identityOf } from './process-identity.ts';

const NOBODY = 65_534;
const asRoot = process.getuid?.() === 0;
const now = new Date('2026-01-01T00:00:00Z');

describe('openHome', () => {
  let parent: string;
  let home: string;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'steward-home-'));
    home = join(parent, 'a', 'steward');
  });

  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    }
    await rm(parent, { recursive: true, force: true });
  });

  /** Opens the home in a process of its own, says how that went, and stays. */
  async function openElsewhere(): Promise<{ child: ChildProcess; said: string }> {
    const code = `const { openHome } = await import(${JSON.stringify(new URL('home.ts', import.meta.url).href)});
      try { const home = await openHome(${JSON.stringify(home)}, new Date()); await home.announce({ url: 'http://127.0.0.1:3999' }); console.log('held'); setInterval(() => {}, 1000); }
      catch (e) { console.log(e.code + ' ' + e.message); }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    const [said] = (await once(child.stdout ?? child, 'data')) as [Buffer];
    return { child, said: said.toString().trim() };
  }

  it('makes a folder that only its owner can look into', async () => {
    const opened = await openHome(home, now);

    expect((await stat(home)).mode & 0o777).toBe(asRoot ? 0o711 : 0o700);
    expect(opened.path).toBe(home);
  });

  it('names the process and the address of the one that holds it', async () => {
    const { child } = await openElsewhere();

    await expect(openHome(home, now)).rejects.toMatchObject({
      code: 'HOME_IN_USE',
      exitCode: 18,
      message: expect.stringMatching(
        new RegExp(`in use by a Steward that runs as process ${child.pid} .* answers on http://127\\.0\\.0\\.1:3999`),
      ),
    });
    expect(await runningServer(home)).toEqual({ url: 'http://127.0.0.1:3999', pid: child.pid });
  });

  it('is taken over after kill -9, and its old address is forgotten', async () => {
    const { child } = await openElsewhere();
    child.kill('SIGKILL');
    await once(child, 'exit');

    const opened = await openHome(home, now);

    expect(await runningServer(home)).toBeUndefined();
    await opened.announce({ url: 'http://127.0.0.1:3001' });
    expect(await runningServer(home)).toEqual({ url: 'http://127.0.0.1:3001', pid: process.pid });
  });

  it('is free for another process after it was released', async () => {
    const opened = await openHome(home, now);
    await opened.release();

    expect((await openElsewhere()).said).toBe('held');
  });

  it('has one winner when many start at once after a crash', async () => {
    await mkdir(home, { recursive: true });
    await writeFile(join(home, 'lock.7'), JSON.stringify({ ...identityOf(process.pid), startTicks: 1, since: now }));

    const outcomes = await Promise.all(Array.from({ length: 6 }, () => openElsewhere()));

    expect(outcomes.map(({ said }) => said.split(' ')[0]).toSorted()).toEqual([
      ...Array(5).fill('HOME_IN_USE'),
      'held',
    ]);
    expect((await readdir(home)).filter((name) => name.startsWith('lock'))).toEqual(['lock.8']);
  });

  it.each([
    ['another process got the id', { ...identityOf(process.pid), startTicks: 1 }],
    ['the machine was started anew', { ...identityOf(process.pid), bootId: 'another' }],
  ])('is not held when %s', async (_why, holder) => {
    await mkdir(home, { recursive: true });
    await writeFile(join(home, 'lock.1'), JSON.stringify({ ...holder, since: now }));

    await expect(openHome(home, now)).resolves.toMatchObject({ path: home });
  });

  it('is not held by a lock that a power cut emptied', async () => {
    await mkdir(home, { recursive: true });
    await writeFile(join(home, 'lock.3'), '');

    await expect(openHome(home, now)).resolves.toMatchObject({ path: home });
  });

  it('says what is wrong with a path that is a file, or leads through one', async () => {
    await writeFile(join(parent, 'file'), '');

    await expect(openHome(join(parent, 'file'), now)).rejects.toMatchObject({
      code: 'HOME_UNUSABLE',
      exitCode: 19,
      message: expect.stringContaining('file'),
    });
    await expect(openHome(join(parent, 'file', 'home'), now)).rejects.toMatchObject({ code: 'HOME_UNUSABLE' });
  });

  it('says so when it may not write there', async () => {
    await mkdir(home, { recursive: true });
    await chmod(home, 0o555);
    // Root may write everywhere, so an ordinary user has to try.
    const opening = asRoot ? asNobody(() => openHome(home, now)) : openHome(home, now);
    if (!asRoot) await chmod(parent, 0o555);

    await expect(opening).rejects.toMatchObject({
      code: 'HOME_UNUSABLE',
      hint: expect.stringContaining('STEWARD_HOME='),
    });
  });

  async function asNobody<T>(work: () => Promise<T>): Promise<T> {
    await chown(parent, NOBODY, NOBODY);
    process.seteuid?.(NOBODY);
    try {
      return await work();
    } finally {
      process.seteuid?.(0);
    }
  }
});
