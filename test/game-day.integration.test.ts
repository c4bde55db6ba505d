import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { GameDayReport } from '../src/game-day/report.ts';
import { serviceAccount } from '../src/store/pg-account.ts';
import { pgHome } from '../src/store/pg-home.ts';
import { busyboxImage } from '../src/testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../src/testing/world/dockerd.ts';
import { eventually, isAlive } from './kit/steward.ts';

const LAUNCHER = resolve(import.meta.dirname, '../bin/steward.js');

describe.skipIf(dockerMissing())('a game day', () => {
  let dockerd: Dockerd;
  let home: string;
  const running: { readonly child: ChildProcess; readonly ended: Promise<unknown> }[] = [];

  beforeAll(async () => {
    dockerd = await startDockerd();
    home = mkdtempSync(join(tmpdir(), 'stw-'));
    // A game day removes the system user that it had to create, also under the servers of the tests beside this one.
    await serviceAccount(pgHome(home), () => undefined);
    await busyboxImage(dockerd);
    await dockerd.docker('run', '--detach', '--name=neighbor', 'busybox', '/bin/busybox', 'sleep', '3600');
    await dockerd.docker('volume', 'create', 'somebodys-data');
  }, 120_000);

  /** One that a test did not see the end of would be taken for what the next test left. */
  afterEach(async () => {
    for (const { child, ended } of running.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGINT');
      await ended;
    }
  }, 120_000);

  afterAll(async () => {
    await dockerd?.stop();
    if (home) rmSync(home, { recursive: true, force: true });
  });

  function start(...args: readonly string[]) {
    const { PATH = '' } = process.env;
    const child = spawn(process.execPath, [LAUNCHER, 'game-day', ...args], {
      cwd: '/',
      env: { PATH, HOME: home, STEWARD_HOME: home, DOCKER_HOST: dockerd.host },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      // What it does at which second, for whoever reads the log of the tests.
      process.stdout.write(chunk);
    });
    const ended = new Promise<number | null>((done) => child.on('close', done));
    running.push({ child, ended });
    return { child, ended, output: () => ({ stdout, stderr }) };
  }

  const labeled = async (): Promise<string> =>
    (
      await Promise.all([
        dockerd.docker('ps', '--all', '--quiet', '--filter=label=steward.game-day'),
        dockerd.docker('network', 'ls', '--quiet', '--filter=label=steward.game-day'),
        dockerd.docker('images', '--quiet', '--filter=label=steward.game-day'),
        dockerd.docker('volume', 'ls', '--quiet', '--filter=label=steward.game-day'),
      ])
    ).join('');

  const neighbor = (): Promise<string> =>
    dockerd.docker('inspect', '--format', '{{.Id}} {{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}', 'neighbor');

  it('heals, hands over or rightly leaves alone at least 95 % of its faults, and touches nothing else', async () => {
    const before = await neighbor();
    const { ended, output } = start('--json', '--report', join(home, 'report'));
    const code = await ended;
    const { stdout, stderr } = output();
    const report = JSON.parse(stdout) as GameDayReport;
    // The evidence, for whoever reads the log of the tests.
    process.stdout.write(`${readFileSync(join(home, 'report.md'), 'utf8').split('\n## ')[0]}\n`);

    expect(report.leftOut).toEqual([]);
    expect(report.injected).toBeGreaterThanOrEqual(15);
    expect(new Set(report.faults.map(({ expectation }) => expectation))).toEqual(
      new Set(['healed', 'escalated', 'left-alone']),
    );
    const missed = report.faults
      .filter(({ outcome }) => outcome === 'missed')
      .map(({ name, problem, checks, timeline }) => ({
        name,
        problem,
        broken: checks.filter(({ ok }) => !ok),
        timeline,
      }));
    expect(missed.length, JSON.stringify(missed, null, 2)).toBeLessThanOrEqual(report.injected * 0.05);
    expect(report.automationRate, stderr).toBeGreaterThanOrEqual(95);
    expect(code).toBe(0);

    expect(report.outside).toMatchObject({ untouched: true, differences: [], runsElsewhere: [] });
    expect(report.outside.compared['containers']).toBe(1);
    expect(report.outside.runs).toBeGreaterThan(0);
    expect(await neighbor()).toBe(before);
    expect(await dockerd.docker('volume', 'ls', '--quiet')).toContain('somebodys-data');
    expect(await labeled()).toBe('');
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`steward-game-day-${report.id}`))).toEqual([]);
    expect(readdirSync(join(home, 'game-days'))).toHaveLength(2);
  }, 590_000);

  it('says so, and fails, where nothing heals', async () => {
    const { ended, output } = start('--json', '--no-healing', '--only', 'killed');
    expect(await ended).toBe(11);
    const report = JSON.parse(output().stdout) as GameDayReport;
    expect(report).toMatchObject({ injected: 1, missed: 1, automationRate: 0, healing: false });
    expect(output().stderr).toContain('below 95 %');
  }, 300_000);

  it('cleans up after Ctrl-C, and the next one after kill -9', async () => {
    const interrupted = start('--only', 'killed,disk-full');
    await eventually('the first containers', async () => ((await containers()) === '' ? undefined : true), 120_000);
    interrupted.child.kill('SIGINT');
    expect(await interrupted.ended).not.toBe(0);
    expect(interrupted.output().stderr).toContain('what it had made is removed');
    expect(await labeled()).toBe('');
    expect(homeOf(interrupted.child)).toBeUndefined();

    const killed = start('--only', 'killed,disk-full');
    const left = await eventually('its Steward', async () => stewardOf(killed.child), 120_000);
    await eventually('its containers', async () => ((await containers()) === '' ? undefined : true), 120_000);
    killed.child.kill('SIGKILL');
    await killed.ended;
    expect(await labeled()).not.toBe('');
    expect(isAlive(left.pid)).toBe(true);
    const cleaning = start('--clean', '--json');
    expect(await cleaning.ended).toBe(0);
    expect(await labeled()).toBe('');
    expect(isAlive(left.pid)).toBe(false);
    expect(existsSync(left.home)).toBe(false);
    expect(await dockerd.docker('ps', '--format', '{{.Names}}')).toBe('neighbor');
  }, 500_000);

  const containers = (): Promise<string> => dockerd.docker('ps', '--all', '--quiet', '--filter=label=steward.game-day');

  /** The folder of this game day: others may run on this machine. */
  function homeOf({ pid }: ChildProcess): string | undefined {
    const homes = readdirSync(tmpdir()).filter((name) => name.startsWith('steward-game-day-'));
    return homes.map((name) => join(tmpdir(), name)).find((folder) => pidIn(join(folder, 'owner.json')) === pid);
  }

  function stewardOf(child: ChildProcess): { pid: number; home: string } | undefined {
    const folder = homeOf(child);
    const pid = folder === undefined ? undefined : pidIn(join(folder, 'isolated-steward.json'));
    return folder !== undefined && pid !== undefined && isAlive(pid) ? { pid, home: folder } : undefined;
  }

  function pidIn(file: string): number | undefined {
    if (!existsSync(file)) return undefined;
    const text = readFileSync(file, 'utf8');
    return text === '' ? undefined : (JSON.parse(text) as { pid: number }).pid;
  }
});
