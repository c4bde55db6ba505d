import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emptyDatabase } from '../src/testing/database.ts';
import {
  eventually,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  steward,
  stewardJson,
} from './kit/steward.ts';

/** Somebody who owns the tables first takes away what guards them. */
const UNGUARD = 'alter table audit_log disable trigger all;';

interface Verdict {
  readonly ok: boolean;
  readonly records: number;
}

describe('the record of who did what', () => {
  const home = makeHome();
  let database: Awaited<ReturnType<typeof emptyDatabase>>;
  let env: Record<string, string>;
  let running: RunningSteward;
  /** Where the record ended in between, with the signature of that time. */
  let earlier: { seq: number; hash: string; mac: string };
  /** How far it reached when Steward ended. */
  let end = 0;

  beforeAll(async () => {
    database = await emptyDatabase();
    env = { STEWARD_DATABASE_URL: database.databaseUrl };
    running = await startSteward({ home, env });
    // Real work of real people: tokens, a plan, a run, and one who may not.
    const { token } = await stewardJson<{ token: string }>(home, [
      'token',
      'create',
      '--role',
      'viewer',
      '--name',
      'eve',
    ]);
    ({
      rows: [earlier],
    } = await ask('select seq::int, hash, mac from audit_heads'));
    for (const name of ['one', 'two', 'three'])
      await stewardJson(home, ['token', 'create', '--role', 'viewer', '--name', name]);
    await stewardJson(home, ['plan', 'clean-temp-files']);
    await fetch(`${running.url}/api/v1/create-token`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'more', role: 'admin' }),
    });
  }, 90_000);
  afterAll(async () => {
    await running.stop();
    await database.drop();
    await removeHome(home);
  });

  const verify = () => steward(home, ['audit', 'verify'], { env });
  const ask = async (statements: string): Promise<pg.QueryResult> => {
    const client = new pg.Client({ connectionString: database.databaseUrl });
    await client.connect();
    return await client.query(statements).finally(() => client.end());
  };
  const attack = (statements: string) => ask(`begin; ${statements}; commit`);
  /** What verifying says after the attack, which is undone again. Only while no Steward writes. */
  const found = async (statements: string) => {
    await attack(
      `create table kept_log as table audit_log; create table kept_heads as table audit_heads; ${UNGUARD} ${statements}`,
    );
    const verdict = await verify();
    await attack(
      `delete from audit_log; delete from audit_heads; insert into audit_log table kept_log;
       insert into audit_heads table kept_heads; drop table kept_log, kept_heads`,
    );
    return verdict;
  };

  it('holds what was done, and by whom', async () => {
    const trail = await stewardJson<unknown[]>(home, ['audit', 'logs']);

    const text = JSON.stringify(trail);
    for (const action of ['steward.started', 'create-token', 'clean-temp-files', 'refused'])
      expect(text).toContain(action);
    expect(text).not.toMatch(/stw_[A-Za-z0-9]{8,}_/);
  });

  it('is intact, as the running Steward says', async () => {
    const { code, stdout } = await steward(home, ['audit', 'verify', '--json']);

    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true });
  });

  it('cannot be changed by whoever does not first take the guard away', async () => {
    await expect(attack('update audit_log set at = now() where seq = 1')).rejects.toThrow('only grows');
    await expect(attack('truncate audit_log')).rejects.toThrow('only grows');
  });

  it('is shown to be edited while Steward runs', async () => {
    const replace = (one: string, other: string): string =>
      `update audit_log set entry = replace(entry::text, '"${one}"', '"${other}"')::json where entry::text like '%"${one}"%'`;
    await attack(`${UNGUARD} ${replace('eve', 'adam')}`);

    const { code, stderr } = await steward(home, ['audit', 'verify']);
    await attack(replace('adam', 'eve'));

    expect(code).toBe(24);
    expect(stderr).toMatch(/Record \d+ is not what was written/);
    expect((await steward(home, ['audit', 'verify'])).code).toBe(0);
  });

  it('is verified without a server, too', async () => {
    expect(await running.stop()).toBe(0);
    const answer = await steward(home, ['audit', 'verify', '--json'], { env });

    expect(answer.code).toBe(0);
    const verdict = JSON.parse(answer.stdout) as Verdict;
    expect(verdict.ok).toBe(true);
    end = verdict.records;
    expect(end).toBeGreaterThan(6);
  });

  it.each([
    [
      'edited',
      () => `update audit_log set at = at - interval '1 hour' where seq = 3`,
      () => /Record 3 is not what was written/,
    ],
    ['removed', () => `delete from audit_log where seq = 3`, () => /Record 3 is missing/],
    [
      'removed and closed up',
      () =>
        `delete from audit_log where seq = 3; update audit_log set seq = seq + 1000 where seq > 3; update audit_log set seq = seq - 1001 where seq > 1000`,
      () => /Record 3 is missing/,
    ],
    [
      'reordered',
      () =>
        `update audit_log set seq = 1004 where seq = 4; update audit_log set seq = 4 where seq = 3; update audit_log set seq = 3 where seq = 1004`,
      () => /Record 4 stands in the place of record 3/,
    ],
    [
      'made up',
      () =>
        `insert into audit_log select chain, ${end} + 1, now(), entry, hash, md5(hash) || md5(hash) from audit_log where seq = ${end}`,
      () => new RegExp(`Record ${end + 1} is not what was written`),
    ],
    [
      'truncated',
      () => `delete from audit_log where seq > ${end - 2}`,
      () => new RegExp(`knows? record ${end}|is record ${end}`),
    ],
    [
      'truncated, its head with it',
      () => `delete from audit_log where seq > ${end - 2}; delete from audit_heads`,
      () => /checkpoint outside the database/,
    ],
    ['emptied', () => `delete from audit_log; delete from audit_heads`, () => /checkpoint outside the database/],
  ])(
    'is found to be %s',
    async (_what, statements, message) => {
      const { code, stderr } = await found(statements());

      expect([code, stderr]).toEqual([24, expect.stringMatching(message())]);
      expect(stderr).toMatch(/record \d+/i);
    },
    30_000,
  );

  it('is found to be truncated even by who moved its head back to a genuine earlier one', async () => {
    const cut = `delete from audit_log where seq > ${earlier.seq}; update audit_heads set seq = ${earlier.seq}, hash = '${earlier.hash}', mac = '${earlier.mac}'`;
    expect(earlier.seq).toBeLessThan(end);

    const { code, stderr } = await found(cut);

    expect(code).toBe(24);
    expect(stderr).toContain(`A checkpoint outside the database knows record ${end}`);
  });

  it('is found to be tampered with where the checkpoints are', async () => {
    const checkpoints = join(home, 'audit-checkpoints.jsonl');
    const text = readFileSync(checkpoints, 'utf8');
    writeFileSync(
      checkpoints,
      text.replace(/"hash":"(.)/, (_all, digit: string) => `"hash":"${digit === 'a' ? 'b' : 'a'}`),
    );

    expect((await verify()).code).toBe(24);

    writeFileSync(checkpoints, text);
    expect((await verify()).code).toBe(0);
  });

  it('goes on behind a record that was cut off, so that the gap stays to be found', async () => {
    await attack(`${UNGUARD} delete from audit_log where seq = ${end}`);

    running = await startSteward({ home, env });
    await stewardJson(home, ['token', 'create', '--role', 'viewer', '--name', 'later']);

    const answer = await eventually('the verdict', async () => await steward(home, ['audit', 'verify']));
    expect([answer.code, answer.stderr]).toEqual([24, expect.stringContaining(`${end}`)]);
  }, 60_000);
});
