import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EngineOptions, type EngineProcess, startEngine } from '../src/testing/engine-process.ts';
import { type DebianPostgres, noDebianPostgres, startDebianPostgres } from './kit/debian-postgres.ts';
import { createNetworkNamespace, type NetworkNamespace, noNetworkNamespace } from './kit/network-namespace.ts';
import { processesWith } from './kit/processes.ts';
import { eventually, sleep } from './kit/steward.ts';

interface Row {
  readonly id: string;
  readonly status: string;
  readonly node: string;
  readonly epoch: number;
  readonly progress: { readonly message?: string } | null;
}

const TAKEN_OVER_WITHIN_MS = 15_000;
const PATIENCE_MS = 17_000;
const unable = [noDebianPostgres, noNetworkNamespace].filter(Boolean).join('; ');

describe.skipIf(unable !== '').concurrent(`two nodes on one PostgreSQL${unable && `: ${unable}`}`, () => {
  let shared: DebianPostgres;
  let away: DebianPostgres;
  let network: NetworkNamespace;
  const folder = mkdtempSync(join(tmpdir(), 'stw-nodes-'));
  const engines: EngineProcess[] = [];

  const file = (name: string): string => join(folder, name);
  const lines = (name: string): string[] => {
    try {
      return readFileSync(file(name), 'utf8').split('\n').filter(Boolean);
    } catch {
      return [];
    }
  };
  async function engine(options: EngineOptions, inside?: readonly string[]): Promise<EngineProcess> {
    const one = startEngine(options, inside);
    engines.push(one);
    expect(await one.line()).toBe('ready');
    return one;
  }
  const runs = (server: DebianPostgres, databaseUrl: string): Promise<Row[]> =>
    server.query<Row>(databaseUrl, 'select id, status, node, epoch, progress, error from runs order by id');
  const ends = (server: DebianPostgres, databaseUrl: string, id: string, withinMs: number): Promise<Row> =>
    eventually(
      `run ${id} ends`,
      async () =>
        (await runs(server, databaseUrl)).find(
          (row) => row.id === id && /succeeded|failed|-back|rollback-failed/.test(row.status),
        ),
      withinMs,
    );
  const until = (name: string, line: string | RegExp, withinMs = 20_000): Promise<true> =>
    eventually(
      `${name} says ${line}`,
      async () => lines(name).some((one) => (typeof line === 'string' ? one === line : line.test(one))) || undefined,
      withinMs,
    );
  const silent = (server: DebianPostgres, databaseUrl: string): Promise<{ id: string }[]> =>
    server.query<{ id: string }>(databaseUrl, `select id from nodes where state = 'lost'`);

  beforeAll(async () => {
    network = createNetworkNamespace();
    [shared, away] = await Promise.all([
      startDebianPostgres({ listen: `127.0.0.1,${network.host}` }),
      startDebianPostgres(),
    ]);
  }, 60_000);
  afterAll(async () => {
    for (const one of engines) if (one.child.exitCode === null) await one.kill('SIGKILL');
    await Promise.all([shared?.remove(), away?.remove()]);
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  /** Two that have been there for a while: what is silent right after they started is not held against it. */
  async function pair(name: string, databaseUrl: string, insideUrl = databaseUrl, inside?: readonly string[]) {
    const one = await engine({ databaseUrl: insideUrl, node: `${name}_one`, targets: 1 }, inside);
    const two = await engine({ databaseUrl, node: `${name}_two` });
    await sleep(PATIENCE_MS);
    return { one, two };
  }
  /** Each line that says that something ended, once. */
  const once = (name: string): void => {
    const ended = lines(name).filter((line) => line.startsWith('end '));
    expect(new Set(ended.map((line) => line.split(' ')[1])).size, `${name}: ${ended.join(', ')}`).toBe(ended.length);
  };

  it('go on with what one of them was killed with: its chain, and its runs that touch no machine', async () => {
    const databaseUrl = await shared.database('killed');
    const { one } = await pair('k', databaseUrl);
    const execution = await one.send({
      execute: { workflow: 'slow-chain', context: { file: file('chain'), pauseMs: 1_500 } },
    });
    const input = (name: string) => ({ file: file(name), lines: ['a', 'b', 'c'], pauseMs: 2_000 });
    const anywhere = await one.send({ start: { automation: 'append-anywhere', input: input('anywhere') } });
    const tied = await one.send({ start: { automation: 'append-lines', input: input('tied') } });
    await Promise.all([until('anywhere', 'begin b 1'), until('tied', 'begin b 1'), until('chain', /^begin one-/)]);
    await one.kill('SIGKILL');
    const killed = performance.now();

    const taken = await eventually(
      'the run is taken over',
      async () => (await runs(shared, databaseUrl)).find(({ id, node }) => id === anywhere && node === 'k_two'),
      30_000,
    );
    const took = performance.now() - killed;
    console.log(`kill -9: taken over after ${(took / 1000).toFixed(1)} s`);
    expect(took).toBeLessThan(TAKEN_OVER_WITHIN_MS);
    expect(taken.epoch).toBe(1);
    // What belongs to the machine waits for it, and says so.
    await eventually(
      'the run that waits says so',
      async () =>
        (await runs(shared, databaseUrl)).find(
          ({ id, progress }) =>
            id === tied && /^Node k_one is silent since .* needs that machine/.test(progress?.message ?? ''),
        ),
      5_000,
    );
    const chain = await eventually(
      'the chain ends',
      async () =>
        (
          await shared.query<{ status: string; node: string }>(
            databaseUrl,
            `select status, node from workflow_executions where id = $1 and status <> 'running'`,
            [execution],
          )
        )[0],
      60_000,
    );
    expect(chain).toEqual({ status: 'succeeded', node: 'k_two' });
    expect(await ends(shared, databaseUrl, anywhere, 30_000)).toMatchObject({ status: 'succeeded', node: 'k_two' });
    expect(lines('tied')).toEqual(['begin a 1', 'end a 1', 'begin b 1']);
    await engine({ databaseUrl, node: 'k_one' });
    expect(await ends(shared, databaseUrl, tied, 30_000)).toMatchObject({
      status: 'succeeded',
      node: 'k_one',
      progress: null,
    });
    for (const name of ['anywhere', 'chain', 'tied']) once(name);
  }, 150_000);

  it('never let a restore happen twice, though the one that had begun it only stood still', async () => {
    const databaseUrl = await shared.database('frozen');
    const { one } = await pair('f', databaseUrl);
    const id = await one.send({
      start: { automation: 'fake-restore', input: { file: file('restore'), pauseMs: 3_000 } },
    });
    await until('restore', 'restore begins on f_one');
    one.child.kill('SIGSTOP');
    await sleep(20_000);
    one.child.kill('SIGCONT');
    expect(await ends(shared, databaseUrl, id, 40_000)).toMatchObject({ status: 'succeeded', node: 'f_two' });
    await sleep(5_000);
    const told = lines('restore');
    expect(told.filter((line) => line.startsWith('acted'))).toEqual([
      expect.stringMatching(/^acted on f_two with fence \d+$/),
    ]);
    expect(told.filter((line) => line.endsWith('f_one'))).toEqual([
      'prepare begins on f_one',
      'restore begins on f_one',
    ]);
    expect(one.child.exitCode).toBeNull();
    // It is one of them again, and of use.
    const next = await one.send({
      start: { automation: 'append-anywhere', input: { file: file('after'), lines: ['a'] } },
    });
    expect(await ends(shared, databaseUrl, next, 30_000)).toMatchObject({ status: 'succeeded' });
  }, 150_000);

  it('stop what they do where the network hides the store from them, before others could do it too, and resume', async () => {
    const databaseUrl = await shared.database('hidden');
    const { one } = await pair('p', databaseUrl, databaseUrl.replace('127.0.0.1', network.host), network.inside);
    const mark = `hidden-${process.pid}`;
    const id = await one.send({
      start: {
        automation: 'chaos-lines',
        input: { file: file('hidden'), mark, children: [3], pauseMs: 50, childMs: 14_000, target: 't0' },
      },
    });
    await until('hidden', 'begin c3 1');
    await eventually('its child runs', async () => processesWith(`STEWARD_CHAOS=${mark}`)[0]);
    network.cut();
    const cut = performance.now();
    await eventually(
      'its child is gone',
      async () => processesWith(`STEWARD_CHAOS=${mark}`).length === 0 || undefined,
      20_000,
    );
    const took = performance.now() - cut;
    console.log(`partition: stopped after ${(took / 1000).toFixed(1)} s`);
    // Others declare it lost 8 s after its last beat at the earliest.
    expect(took).toBeLessThan(8_000);
    await eventually('it is declared lost', async () => (await silent(shared, databaseUrl))[0], 20_000);
    await sleep(5_000);
    expect(lines('hidden').at(-1)).toBe('begin c3 1');
    network.mend();
    expect(await ends(shared, databaseUrl, id, 60_000)).toMatchObject({
      status: 'succeeded',
      node: 'p_one',
      error: null,
    });
    once('hidden');
    expect(lines('hidden').filter((line) => line.startsWith('begin c3'))).toEqual(['begin c3 1', 'begin c3 2']);
    expect(await silent(shared, databaseUrl)).toEqual([]);
    expect(processesWith(`STEWARD_CHAOS=${mark}`)).toEqual([]);
  }, 150_000);

  it('hold a minute without the database against nobody, and go on afterwards', async () => {
    const databaseUrl = await away.database('outage');
    const { one, two } = await pair('o', databaseUrl);
    const ids = await Promise.all(
      [one, two].map((each, index) =>
        each.send({
          start: {
            automation: 'append-anywhere',
            input: { file: file(`outage${index}`), lines: ['a', 'b', 'c', 'd'], pauseMs: 3_000 },
          },
        }),
      ),
    );
    const chain = await one.send({
      execute: { workflow: 'slow-chain', context: { file: file('outage-chain'), pauseMs: 1_500 } },
    });
    await Promise.all(ids.map((_, index) => until(`outage${index}`, 'begin b 1')));
    await away.stop();
    await sleep(60_000);
    await away.start();
    const back = performance.now();
    for (const [index, id] of ids.entries()) {
      expect(await ends(away, databaseUrl, id, 60_000)).toMatchObject({
        status: 'succeeded',
        node: ['o_one', 'o_two'][index],
      });
      once(`outage${index}`);
    }
    await eventually(
      'the chain ends',
      async () =>
        (
          await away.query(databaseUrl, `select id from workflow_executions where id = $1 and status = 'succeeded'`, [
            chain,
          ])
        )[0],
      60_000,
    );
    console.log(
      `outage: everything done ${((performance.now() - back) / 1000).toFixed(1)} s after the database was back`,
    );
    expect(await away.query(databaseUrl, `select subject_id from events where type = 'node.lost'`)).toEqual([]);
    for (const each of [one, two]) expect(each.child.exitCode, each.errors()).toBeNull();
  }, 180_000);
});
