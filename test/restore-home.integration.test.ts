import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Gate, programGates } from './kit/gates.ts';
import { type Instant, killedAt, killedBehind } from './kit/killed.ts';
import { commandsWith } from './kit/processes.ts';
import { makeHome, removeHome, type RunningSteward, startSteward, steward, stewardJson } from './kit/steward.ts';

interface Run {
  readonly id: string;
  readonly automation: string;
  readonly status: string;
}

interface Restored {
  readonly repository: string;
  readonly proof: readonly string[];
}

/** What a home has beside its store, with modes and contents; of what the record writes on, only that it is there. */
function filesOf(home: string): string[] {
  return (
    readdirSync(home, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => relative(home, join(parentPath, name)))
      // Of whoever was here last, and of nobody who comes back.
      .filter((path) => !/^(?:pg\/|cache\/|lock\.)/.test(path))
      .map((path) => {
        const content = path === 'audit-checkpoints.jsonl' ? '' : readFileSync(join(home, path), 'base64');
        return `${path} ${(statSync(join(home, path)).mode & 0o777).toString(8)} ${content}`;
      })
      .toSorted()
  );
}

describe('a Steward that is lost', () => {
  let home: string;
  let away: string;
  let kit: string;
  let token: string;
  let running: RunningSteward | undefined;
  let before: Run[];

  beforeAll(async () => {
    [home, away] = [makeHome(), makeHome()];
    kit = join(away, 'kit.md');
    const config = {
      discovery: { enabled: false },
      machine: { watch: false },
      backups: {
        repositories: [
          { name: 'plain', kind: 'directory', path: join(away, 'plain') },
          { name: 'sealed', kind: 'restic', url: join(away, 'restic') },
        ],
      },
    };
    writeFileSync(join(home, 'steward.yaml'), JSON.stringify(config));
    mkdirSync(join(home, 'artifacts', 'run_of_old'), { recursive: true });
    writeFileSync(join(home, 'artifacts', 'run_of_old', 'report.txt'), 'what a run produced');
    running = await startSteward({ home });
    ({ token } = await stewardJson<{ token: string }>(home, ['token', 'create', '--name', 'old', '--role', 'viewer']));
  }, 120_000);

  afterAll(async () => {
    await running?.stop();
    for (const path of [home, away, `${home}-twin`, `${home}-2`, `${home}-3`])
      if (existsSync(path)) await removeHome(path);
  });

  it('was backed up without a word in its configuration, and proven', async () => {
    const made = await stewardJson<Run>(home, ['backup', 'run', '--wait']);
    expect(made.status).toBe('succeeded');
    const looked = await stewardJson<Run>(home, ['backup', 'verify', '--restore', 'all', '--wait']);
    expect(looked.status).toBe('succeeded');
    const standings = await stewardJson<{ source: string; repository: string; state: string }[]>(home, ['backups']);
    expect(standings.map(({ source, repository, state }) => [source, repository, state])).toEqual([
      ['self', 'plain', 'proven'],
      ['self', 'sealed', 'proven'],
    ]);
    const [copy = ''] = readdirSync(join(away, 'plain', 'self'));
    const folder = join(away, 'plain', 'self', copy);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).some((name) => name.startsWith('keys'))).toBe(false);
    const { leftOut } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
      leftOut: { what: string }[];
    };
    expect(leftOut.map(({ what }) => what).join()).toContain('audit.key');
  }, 240_000);

  it('is not replaced while it runs', async () => {
    const asked = await steward(home, ['backup', 'restore', 'self', '--wait']);
    expect(asked.code).not.toBe(0);
    expect(asked.stdout + asked.stderr).toContain('not replaced by a copy of itself');
    expect(asked.stdout + asked.stderr).toContain('steward restore-home');
  }, 60_000);

  it('comes back from an encrypted copy, with its runs, its record and its tokens, and waits for a person, whenever it was killed meanwhile', async () => {
    const page = await steward(home, ['backup', 'kit']);
    writeFileSync(kit, page.stdout, { mode: 0o600 });
    before = await stewardJson<Run[]>(home, ['runs']);
    await running?.kill();
    running = undefined;
    await removeHome(home);

    const undisturbed = await stewardJson<Restored>(`${home}-twin`, sealed());
    expect(undisturbed.repository).toBe('sealed');
    expect(undisturbed.proof.join(' ')).toMatch(
      /All \d+ tables and files hold .* records of the audit log are as written/,
    );
    const again = await steward(`${home}-twin`, sealed());
    expect(again.stderr).toContain('has a Steward already');

    const next = `${home}-2`;
    await killedAtEveryStep(next, undisturbed);

    running = await startSteward({ home: next });
    const after = await stewardJson<Run[]>(next, ['runs']);
    // The backup that made the copy was under way in it.
    const copied = before.filter(({ automation }) => automation === 'backup').map(({ id }) => id);
    expect(after.map(({ id }) => id)).toEqual(expect.arrayContaining(copied));
    expect(after.find(({ id }) => id === copied[0])?.status).toBe('failed');
    expect(await stewardJson(next, ['audit', 'verify'])).toMatchObject({ ok: true });
    expect(await stewardJson(next, ['mode'])).toMatchObject({ mode: 'observe-only' });
    const answer = await fetch(`${running.url}/api/v1/runs`, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(200);
    expect(readFileSync(join(next, 'artifacts', 'run_of_old', 'report.txt'), 'utf8')).toBe('what a run produced');
    expect(statSync(join(next, 'audit.key')).mode & 0o777).toBe(0o600);
  }, 600_000);

  const sealed = (): string[] => ['restore-home', '--kit', kit, '--repository', 'sealed'];

  /** Each call comes one step further than the one before, is killed there, and leaves what the next one begins on. */
  async function killedAtEveryStep(next: string, undisturbed: Restored): Promise<void> {
    const at = (path: string): string => join(next, path);
    const programs = programGates(
      join(away, 'gates'),
      Object.fromEntries(['restic', 'tar', 'sync'].map((name) => [name, `/usr/bin/${name}`])),
    );
    const launch = { env: { PATH: programs.PATH } };
    // Of a repository that this kit does not know.
    mkdirSync(at('backup-keys'), { recursive: true });
    writeFileSync(at('backup-keys/other'), 'a key of before');
    const halfWay: (Instant | Gate)[] = [
      { call: 'rename', path: at('restoring.json') },
      { call: 'writeFile', path: at('backup-keys/sealed') },
      programs.gate('restic', 'snapshots'),
      programs.gate('tar', '--extract'),
      // Its server runs, and was compared and opened.
      { call: 'rm', path: at('pg/password') },
      // No file has its place yet, some have, all have; the store is to have its own.
      { call: 'rename', path: at('audit.key') },
      { call: 'rename', path: at('artifacts/run_of_old/report.txt') },
      programs.gate('sync', '--file-system'),
      { call: 'rename', path: at('pg/data') },
    ];
    for (const step of halfWay) {
      const what = 'what' in step ? step.what : `${step.call} ${step.path}`;
      await ('what' in step ? killedBehind(next, sealed(), step, launch) : killedAt(next, sealed(), step));
      expect(existsSync(at('pg/data')), what).toBe(false);
      expect(existsSync(at('restoring.json')), what).toBe(step !== halfWay[0]);
    }
    for (const command of [['serve'], ['audit', 'verify'], ['admin', 'create', 'ada']])
      expect(await steward(next, command)).toMatchObject({
        code: 19,
        stderr: expect.stringContaining('restore-home again'),
      });
    writeFileSync(at('steward.yml'), 'of somebody else');
    expect((await steward(next, sealed())).stderr).toContain('is not empty: steward.yml');
    rmSync(at('steward.yml'));

    // It has its place; then its server is to start for the record; then that tells of it.
    for (const step of [
      { call: 'open', path: at('pg') },
      { call: 'mkdir', path: at('pg/log') },
      { call: 'rm', path: at('restoring.json') },
    ] as const) {
      await killedAt(next, sealed(), step);
      expect(existsSync(at('pg/data')) && existsSync(at('restoring.json')), step.path).toBe(true);
    }
    const { proof, repository } = await stewardJson<Restored>(next, sealed());
    expect({ proof, repository }).toEqual({ proof: undisturbed.proof, repository: 'sealed' });
    expect((await steward(next, sealed())).stderr).toContain('has a Steward already');

    expect(readFileSync(at('backup-keys/other'), 'utf8')).toBe('a key of before');
    rmSync(at('backup-keys/other'));
    expect(filesOf(next)).toEqual(filesOf(`${home}-twin`));
    expect(readdirSync(at('scratch'))).toEqual([]);
    expect(commandsWith(`${next}/scratch`)).toEqual([]);
  }

  it('comes back from a folder that a person can read, with the keys of its kit and not without', async () => {
    await running?.stop();
    running = undefined;
    const next = `${home}-3`;
    const plain = ['restore-home', '--repository', join(away, 'plain')];
    const refused = await steward(next, plain);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('audit.key and vault.key are missing');
    expect(await stewardJson(next, [...plain, '--kit', kit])).toMatchObject({ repository: 'given' });
    expect(await stewardJson(next, ['audit', 'verify'])).toMatchObject({ ok: true });
    expect(readdirSync(join(next, 'backup-keys'))).toEqual(['sealed']);
    expect(readdirSync(join(next, 'scratch'))).toEqual([]);

    const [copy = ''] = readdirSync(join(away, 'plain', 'self'));
    const folder = join(away, 'plain', 'self', copy);
    const store = join(folder, readdirSync(folder).find((name) => name.startsWith('store')) ?? '');
    const bytes = readFileSync(store);
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    writeFileSync(store, bytes);
    rmSync(next, { recursive: true });
    const broken = await steward(next, [...plain, '--kit', kit]);
    expect(broken.code).not.toBe(0);
    expect(existsSync(join(next, 'pg', 'data'))).toBe(false);
    // Half of a home is none to begin in.
    expect(await steward(next, ['serve'])).toMatchObject({
      code: 19,
      stderr: expect.stringContaining('restore-home again'),
    });
  }, 240_000);
});
