import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFinal, type RunStatus } from '../src/core/run.ts';
import { bundledUrl, ensurePostgres, type PostgresServer } from '../src/store/bundled-postgres.ts';
import { stopPostmaster } from '../src/store/pg-process.ts';
import { testAccount } from '../src/testing/database.ts';
import { type EngineProcess, startEngine } from '../src/testing/engine-process.ts';
import { memoryLog } from '../src/testing/log.ts';
import { childrenOf, processesWith } from './kit/processes.ts';
import { eventually, sleep } from './kit/steward.ts';

const RUNS = 100;
const AT_ONCE = 16;
const TARGETS = 24;
const CHANGES = 10;
/** Steward is killed until so many of the runs have ended, and PostgreSQL after it. */
const STEWARD_UNTIL = 60;
const MOST_KILLS = { steward: 32, postgres: 24 };

const seed = Number(process.env['STEWARD_CHAOS_SEED'] ?? Date.now() % 1_000_000);
let state = seed;
/** Park and Miller's, so that a run of this test can be had again. */
const random = (): number => (state = (state * 48_271 + 11) % 2_147_483_647) / 2_147_483_647;
const between = (least: number, most: number): number => Math.round(least + random() * (most - least));

interface Started {
  readonly index: number;
  readonly file: string;
  readonly command: object;
  id: string | undefined;
  kills: number;
}

describe('a hundred runs of ten changes', () => {
  const home = mkdtempSync(join(tmpdir(), 'stw-chaos-'));
  const mark = `chaos-${process.pid}-${seed}`;
  const options = { home, log: memoryLog(), notify: () => undefined, account: testAccount };
  let server: PostgresServer;
  let engine: EngineProcess;
  let client: pg.Client | undefined;

  /** Asks until it is answered: the database is away now and then. */
  const ask = async <Row extends pg.QueryResultRow>(text: string): Promise<Row[]> =>
    await eventually(
      text,
      async () => {
        try {
          if (!client) {
            const fresh = new pg.Client({ connectionString: bundledUrl(server), query_timeout: 5_000 });
            fresh.on('error', () => (client = undefined));
            await fresh.connect();
            client = fresh;
          }
          return (await client.query<Row>(text)).rows;
        } catch (thrown) {
          client = undefined;
          throw thrown;
        }
      },
      30_000,
    );
  const lines = (file: string): string[] => {
    try {
      return readFileSync(file, 'utf8').split('\n').filter(Boolean);
    } catch {
      return [];
    }
  };
  const begins = (file: string, change: string): number =>
    lines(file).filter((line) => line.startsWith(`begin ${change} `)).length;

  async function bornAgain(): Promise<void> {
    engine = startEngine({ databaseUrl: bundledUrl(server), node: 'chaos', targets: TARGETS });
    expect(await engine.line()).toBe('ready');
  }

  beforeAll(async () => {
    mkdirSync(join(home, 'pg'));
    mkdirSync(join(home, 'evidence'));
    // The server runs as somebody else.
    chmodSync(home, 0o755);
    server = await ensurePostgres(options);
    await bornAgain();
  }, 60_000);
  afterAll(async () => {
    await engine?.kill('SIGKILL');
    await client?.end().catch(() => undefined);
    await stopPostmaster(server.pid, 10_000);
    for (const pid of processesWith(`STEWARD_CHAOS=${mark}`)) process.kill(pid, 'SIGKILL');
    rmSync(home, { recursive: true, force: true });
  }, 60_000);

  it('survive kill -9 of Steward and of PostgreSQL at any moment', async () => {
    console.log(`seed ${seed}; again with STEWARD_CHAOS_SEED=${seed}`);
    const began = performance.now();
    const runs = Array.from({ length: RUNS }, (_, index): Started => {
      const file = join(home, 'evidence', `run${index}`);
      const children = Array.from({ length: CHANGES }, (_unused, change) => change).filter(() => random() < 0.25);
      const input = { file, mark, children, pauseMs: between(50, 200), target: `t${index % TARGETS}` };
      const start = { automation: 'chaos-lines', input, idempotencyKey: `chaos:${index}` };
      return { index, file, command: { start }, id: undefined, kills: 0 };
    });
    const ended = new Map<string, RunStatus>();
    /** What the store was seen to hold as done, with how often it had begun by then: it must never begin again. */
    const done = new Map<string, { readonly file: string; readonly change: string; readonly begun: number }>();

    async function look(): Promise<void> {
      const changes = await ask<{ run_id: string; change_id: string }>(
        `select run_id, change_id from run_changes where status = 'done'`,
      );
      for (const { run_id: id, change_id: change } of changes) {
        const key = `${id} ${change}`;
        const run = runs.find((one) => one.id === id);
        if (run && !done.has(key)) done.set(key, { file: run.file, change, begun: begins(run.file, change) });
      }
      for (const { id, status } of await ask<{ id: string; status: RunStatus }>('select id, status from runs'))
        if (isFinal(status)) ended.set(id, status);
    }
    const open = (): Started[] => runs.filter(({ id }) => id !== undefined && !ended.has(id));
    /** A start whose answer was lost is asked for again, under the same key. */
    async function feed(): Promise<void> {
      for (const run of runs.filter(({ id }) => id === undefined).slice(0, Math.max(0, AT_ONCE - open().length))) {
        const answer = await engine.send(run.command).catch(() => 'refused: killed');
        if (!answer.startsWith('refused')) run.id = answer;
      }
    }

    const kills = { steward: 0, postgres: 0 };
    let next = performance.now() + between(500, 2_000);
    while (ended.size < RUNS) {
      await feed();
      await look();
      if (performance.now() < next) {
        await sleep(20);
        continue;
      }
      const steward = ended.size < STEWARD_UNTIL && kills.steward < MOST_KILLS.steward;
      if (steward) {
        for (const run of open()) run.kills += 1;
        await engine.kill('SIGKILL');
        kills.steward += 1;
        await look();
        await bornAgain();
      } else if (kills.postgres < MOST_KILLS.postgres) {
        for (const run of open()) run.kills += 1;
        for (const pid of [server.pid, ...childrenOf(server.pid)]) process.kill(pid, 'SIGKILL');
        kills.postgres += 1;
        client = undefined;
        await sleep(between(0, 500));
        server = await ensurePostgres(options);
        await look();
      }
      next = performance.now() + between(150, 1_000);
      expect(engine.child.exitCode, engine.errors()).toBeNull();
      expect(performance.now() - began).toBeLessThan(300_000);
    }
    await look();

    const repeats = runs.map((run) => {
      const all = lines(run.file).filter((line) => line.startsWith('begin ')).length;
      return { ...run, repeats: all - CHANGES };
    });
    const againDone = [...done.values()].filter(({ file, change, begun }) => begins(file, change) > begun);
    // What was just over gives its locks and its children's records back in the same breath.
    await sleep(1_000);
    const [left] = await ask<{ locks: number; waiters: number; children: number }>(`select
      (select count(*)::integer from engine_locks l where holder <> '' and expires_at > clock_timestamp()
        and not exists (select from runs r where r.id = l.holder and r.finished_at is not null)) as locks,
      (select count(*)::integer from engine_lock_waiters w where expires_at > clock_timestamp()
        and not exists (select from runs r where r.id = w.holder and r.finished_at is not null)) as waiters,
      (select count(*)::integer from run_children) as children`);
    const count = (status: RunStatus): number => [...ended.values()].filter((one) => one === status).length;
    const statuses = Object.fromEntries([...new Set(ended.values())].map((status) => [status, count(status)]));
    console.table({
      runs: RUNS,
      'kill -9 of Steward': kills.steward,
      'kill -9 of PostgreSQL': kills.postgres,
      ...statuses,
      'changes executed': repeats.reduce((sum, run) => sum + CHANGES + run.repeats, 0),
      'done, and executed again': againDone.length,
      'in flight, and repeated': repeats.reduce((sum, run) => sum + run.repeats, 0),
      'most repeats of a run': Math.max(...repeats.map((run) => run.repeats)),
      'children left': processesWith(`STEWARD_CHAOS=${mark}`).length,
      'records of children left': left?.children ?? -1,
      'locks left': left?.locks ?? -1,
      'waiters left': left?.waiters ?? -1,
      seconds: Math.round((performance.now() - began) / 1000),
    });
    // Whoever looks at a failure wants to know why.
    const others = await ask<{ id: string; status: string; error: object }>(
      `select id, status, error from runs where status <> 'succeeded'`,
    );
    expect(others).toEqual([]);
    expect(againDone).toEqual([]);
    // At most the one in flight, for each kill that hit the run.
    expect(repeats.filter((run) => run.repeats > run.kills)).toEqual([]);
    expect(repeats.filter((run) => run.repeats < 0)).toEqual([]);
    expect(statuses).toEqual({ succeeded: RUNS });
    expect(processesWith(`STEWARD_CHAOS=${mark}`)).toEqual([]);
    expect(left).toEqual({ locks: 0, waiters: 0, children: 0 });
    expect(kills.steward).toBeGreaterThanOrEqual(MOST_KILLS.steward / 4);
    expect(kills.postgres).toBeGreaterThanOrEqual(MOST_KILLS.postgres / 4);
  }, 360_000);
});
