import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GameDayReport } from '../src/game-day/report.ts';
import { busyboxImage } from '../src/testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../src/testing/world/dockerd.ts';
import { eventually, isAlive } from './kit/steward.ts';

const LAUNCHER = resolve(import.meta.dirname, '../bin/steward.js');

describe.skipIf(dockerMissing())('a game day', () => {
  let dockerd: Dockerd;
  let home: string;

  beforeAll(async () => {
    dockerd = await startDockerd();
    home = mkdtempSync(join(tmpdir(), 'stw-'));
    await busyboxImage(dockerd);
    await dockerd.docker('run', '--detach', '--name=neighbor', 'busybox', '/bin/busybox', 'sleep', '3600');
    await dockerd.docker('volume', 'create', 'somebodys-data');
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
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const ended = new Promise<number | null>((done) => child.on('close', done));
    return { child, ended, output: () => ({ stdout, stderr }) };
  }

  const labeled = async (): Promise<string> =>
    (
      await Promise.all([
        dockerd.docker('ps', '--all', '--quiet', '--filter=label=steward.game-day'),
        dockerd.docker('network', 'ls', '--quiet', '--filter=label=steward.game-day'),
        dockerd.docker('images', '--quiet', '--filter=label=steward.game-day'),
      ])
    ).join('');

  const neighbor = (): Promise<string> =>
    dockerd.docker('inspect', '--format', '{{.Id}} {{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}', 'neighbor');

  it('heals, hands over or rightly leaves alone at least 95 % of its faults, and touches nothing else', async () => {
    const before = await neighbor();
    const { ended, output } = start('--json', '--report', join(home, 'report'), '--seed', '7');
    const code = await ended;
    const { stdout, stderr } = output();
    const report = JSON.parse(stdout) as GameDayReport;
    // The evidence, for whoever reads the log of the tests.
    process.stdout.write(`${readFileSync(join(home, 'report.md'), 'utf8').split('\n## ')[0]}\n`);

    expect(report.injected).toBeGreaterThanOrEqual(15);
    expect(new Set(report.faults.map(({ expectation }) => expectation))).toEqual(
      new Set(['healed', 'escalated', 'left-alone']),
    );
    expect(
      report.faults
        .filter(({ outcome }) => outcome === 'missed')
        .map(({ name, problem, checks, timeline }) => ({
          name,
          problem,
          broken: checks.filter(({ ok }) => !ok),
          timeline,
        })),
      'what was missed',
    ).toHaveLength(Math.floor(report.injected * 0.05));
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
    const interrupted = start('--only', 'killed');
    await eventually('the first containers', async () => ((await labeled()) === '' ? undefined : true), 120_000);
    interrupted.child.kill('SIGINT');
    expect(await interrupted.ended).not.toBe(0);
    expect(await labeled()).toBe('');

    const killed = start('--only', 'killed');
    await eventually('its Steward', async () => (stewardOf() === undefined ? undefined : true), 120_000);
    const left = stewardOf();
    killed.child.kill('SIGKILL');
    await killed.ended;
    expect(await labeled()).not.toBe('');
    const cleaning = start('--clean', '--json');
    expect(await cleaning.ended).toBe(0);
    expect(await labeled()).toBe('');
    expect(left !== undefined && isAlive(left.pid)).toBe(false);
    expect(left !== undefined && existsSync(left.home)).toBe(false);
    expect(await dockerd.docker('ps', '--format', '{{.Names}}')).toBe('neighbor');
  }, 500_000);

  /** The isolated Steward of the game day that runs under this engine. */
  function stewardOf(): { pid: number; home: string } | undefined {
    for (const name of readdirSync(tmpdir()).filter((each) => each.startsWith('steward-game-day-'))) {
      const file = join(tmpdir(), name, 'isolated-steward.json');
      if (!existsSync(file)) continue;
      const { pid } = JSON.parse(readFileSync(file, 'utf8')) as { pid: number };
      if (isAlive(pid)) return { pid, home: join(tmpdir(), name) };
    }
    return undefined;
  }
});
