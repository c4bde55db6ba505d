import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminApi, type Api } from './kit/api.ts';
import {
  eventually,
  makeHome,
  removeHome,
  type RunningSteward,
  sleep,
  startSteward,
  steward,
  stewardJson,
} from './kit/steward.ts';

const run = promisify(execFile);

interface Beat {
  readonly name: string;
  readonly state: string;
  readonly url: string;
  readonly curl: string;
  readonly lastExitCode?: number;
  readonly adoption: string;
}

let home: string;
let running: RunningSteward;
let api: Api;

beforeAll(async () => {
  home = makeHome(
    'discovery: { enabled: false }\nmachine: { watch: false }\nhealing: { enabled: false }\nheartbeats:\n  jobs:\n    - { name: from-file, every: 1d }\n',
  );
  running = await startSteward({ home });
  ({ api } = await adminApi(running));
});

afterAll(async () => {
  await running.stop();
  await removeHome(home);
});

const get = async (path: string, options: RequestInit = {}): Promise<Response> => await fetch(path, options);
const beat = async (name: string): Promise<Beat | undefined> =>
  (await api.get<{ items: Beat[] }>('heartbeats')).items.find((each) => each.name === name);
const stateOf = (name: string, state: string, withinMs?: number): Promise<Beat> =>
  eventually(
    `${name} is ${state}`,
    async () => {
      const found = await beat(name);
      return found?.state === state ? found : undefined;
    },
    withinMs,
  );
const open = async (): Promise<string[]> =>
  (await api.get<{ items: { title: string }[] }>('incidents?status=unresolved')).items.map(({ title }) => title);
const create = async (name: string, ...options: string[]): Promise<Beat> =>
  await stewardJson<Beat>(home, ['heartbeat', 'create', name, ...options]);

describe('heartbeats', () => {
  it('give a line for the crontab, hear what it says with curl itself, and notice failure and recovery like any other check', async () => {
    const made = await create('nightly-backup', '--every', '1d', '--grace', '1h');
    expect(made.curl).toContain(`${running.url}/api/v1/heartbeats/`);
    await run('sh', ['-c', made.curl]);
    await stateOf('nightly-backup', 'up');

    await get(`${made.url}/start`);
    await stateOf('nightly-backup', 'started');
    await get(`${made.url}/3`, {
      method: 'POST',
      body: 'no space left; password=hunter2',
      headers: { 'content-type': 'text/plain' },
    });
    expect(await stateOf('nightly-backup', 'down')).toMatchObject({ lastExitCode: 3 });
    expect(
      await eventually('an incident', async () => (await open()).find((title) => title.includes('nightly-backup'))),
    ).toContain('exit code 3');
    const shown = await stewardJson<{ pings: { signal: string; body?: string; duration?: string }[] }>(home, [
      'heartbeat',
      'show',
      'nightly-backup',
    ]);
    expect(shown.pings.map(({ signal }) => signal)).toEqual(['fail', 'start', 'success']);
    expect(shown.pings[0]).toMatchObject({
      body: expect.stringContaining('no space left'),
      duration: expect.any(String),
    });
    expect(JSON.stringify(shown)).not.toContain('hunter2');

    await get(`${made.url}/success`);
    await eventually('it is over', async () => ((await open()).length === 0 ? true : undefined), 60_000);
  }, 180_000);

  it('notice silence, and not while the job is paused or being worked on', async () => {
    const silent = await create('silent', '--every', '2s', '--grace', '2s');
    await get(silent.url);
    await stateOf('silent', 'down');
    await eventually('an incident', async () => (await open()).find((title) => title.includes('silent')));
    await steward(home, ['heartbeat', 'pause', 'silent']);
    await eventually('it is over', async () => ((await open()).length === 0 ? true : undefined), 60_000);

    const worked = await create('worked-on', '--every', '2s', '--grace', '2s');
    await eventually('it is known', async () => {
      const { code } = await steward(home, [
        'maintenance',
        'create',
        '--reason',
        'move',
        '--services',
        'worked-on',
        '--for',
        '1h',
      ]);
      return code === 0 ? true : undefined;
    });
    await get(worked.url);
    await stateOf('worked-on', 'down');
    await sleep(8_000);
    expect(await open()).toEqual([]);
    await steward(home, ['heartbeat', 'remove', 'worked-on']);
  }, 180_000);

  it('raise no alarm for pings that came while Steward was killed', async () => {
    const patient = await create('patient', '--every', '8s', '--grace', '12s');
    await get(patient.url);
    await stateOf('patient', 'up');
    await running.kill();
    await sleep(26_000);
    running = await startSteward({ home, port: Number(new URL(running.url).port) });
    // Its deadline is long past, and it may well have pinged in between.
    expect((await beat('patient'))?.state).toBe('unknown');
    expect(await open()).toEqual([]);
    await get(patient.url);
    await stateOf('patient', 'up');
    // And one that stays silent from here on is noticed all the same.
    await stateOf('patient', 'down', 60_000);
    await steward(home, ['heartbeat', 'remove', 'patient']);
  }, 180_000);

  it('are made by their first ping where a token says who asks, and answer strangers with one and the same 404', async () => {
    const { token } = await stewardJson<{ token: string }>(home, [
      'token',
      'create',
      '--name',
      'crontab',
      '--role',
      'operator',
      '--only',
      'ping-heartbeat',
    ]);
    const headers = { authorization: `Bearer ${token}` };
    const first = await get(`${running.url}/api/v1/heartbeats/ping/rotate-logs?every=1d&grace=1h`, { headers });
    expect(first.status).toBe(200);
    await stateOf('rotate-logs', 'up');
    expect((await get(`${running.url}/api/v1/heartbeats/ping/unknown`, { headers })).status).toBe(404);
    expect((await get(`${running.url}/api/v1/heartbeats/ping/rotate-logs?every=1d`)).status).toBe(401);

    const answers = await Promise.all(
      ['hbnothing', 'hbnothing/start', 'hbnothing/7', 'hbnothing/999', 'hbnothing/%00', 'x'.repeat(300)].map(
        async (path) => {
          const response = await get(`${running.url}/api/v1/heartbeats/${path}`);
          const { error } = (await response.json()) as { error: { code: string; message: string } };
          return `${response.status} ${error.code} ${error.message}`;
        },
      ),
    );
    expect(new Set(answers)).toEqual(new Set(['404 NOT_FOUND There is no such heartbeat.']));
  }, 120_000);

  it('of steward.yaml are there, and get an address on request that replaces the one before', async () => {
    expect(await stateOf('from-file', 'waiting')).toMatchObject({ adoption: 'adopted' });
    const first = await stewardJson<Beat>(home, ['heartbeat', 'address', 'from-file']);
    const second = await stewardJson<Beat>(home, ['heartbeat', 'address', 'from-file']);
    expect((await get(first.url)).status).toBe(404);
    expect((await get(second.url)).status).toBe(200);
    await stateOf('from-file', 'up');
  }, 60_000);
});
