import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeHome, removeHome, type RunningSteward, startSteward, steward, stewardJson } from './kit/steward.ts';

interface Run {
  readonly status: string;
  readonly output: {
    readonly leftOut: readonly { readonly source: string; readonly what: string; readonly why: string }[];
    readonly copies: readonly { readonly source: string; readonly ok: boolean; readonly proven: boolean }[];
  };
}

describe('what is written to while it is copied', () => {
  let home: string;
  let running: RunningSteward;
  let application: string;
  let logs: string;
  const writers: ChildProcess[] = [];

  async function writing(script: string, path: string): Promise<void> {
    const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    writers.push(child);
    await once(child.stdout, 'data');
  }

  beforeAll(async () => {
    home = makeHome();
    [application, logs] = [join(home, 'application'), join(home, 'logs of it')];
    for (const folder of [application, logs]) {
      mkdirSync(folder);
      writeFileSync(join(folder, 'plain'), 'plain');
    }
    await writing(
      `import { DatabaseSync } from 'node:sqlite';
       const db = new DatabaseSync(process.argv[1]);
       db.exec('pragma busy_timeout = 20000; pragma synchronous = off; create table t (id integer primary key, k text, v blob); create index tk on t (k); begin');
       for (let i = 0; i < 20000; i += 1) db.exec("insert into t (k, v) values (hex(randomblob(16)), randomblob(400))");
       db.exec('commit'); console.log('ready');
       for (;;) {
         db.exec('begin');
         for (let i = 0; i < 50; i += 1) db.exec("update t set k = hex(randomblob(16)) where id = abs(random()) % 20000; delete from t where id = abs(random()) % 20000; insert into t (k, v) values (hex(randomblob(16)), randomblob(400))");
         db.exec('commit'); await new Promise((resolve) => setTimeout(resolve, 2));
       }`,
      join(application, 'data'),
    );
    await writing(
      `import { appendFileSync } from 'node:fs'; appendFileSync(process.argv[1], 'line'); console.log('ready');
       setInterval(() => appendFileSync(process.argv[1], 'line'), 1);`,
      join(logs, 'busy.log'),
    );
    const sources = [
      { name: 'application', kind: 'files', paths: [application] },
      { name: 'logs', kind: 'files', paths: [logs] },
    ];
    const config = { discovery: { enabled: false }, machine: { watch: false }, backups: { self: false, sources } };
    writeFileSync(join(home, 'steward.yaml'), JSON.stringify(config));
    running = await startSteward({ home });
  }, 120_000);

  afterAll(async () => {
    for (const writer of writers) writer.kill('SIGKILL');
    await running?.stop();
    if (home) await removeHome(home);
  });

  it('is of one instant where it is a database, and is no part of the proof where it is not, and that is said everywhere', async () => {
    const made = await stewardJson<Run>(home, ['backup', 'run', '--wait']);
    expect(made.status).toBe('succeeded');
    const torn = { source: 'logs', what: join(logs, 'busy.log'), why: expect.stringContaining('may be torn') };
    expect(made.output.leftOut).toEqual([torn]);

    const looked = await stewardJson<Run>(home, ['backup', 'verify', '--restore', 'all', '--wait']);
    expect(looked.output.copies.map(({ source, ok, proven }) => [source, ok, proven]).toSorted()).toEqual([
      ['application', true, true],
      ['logs', true, false],
    ]);
    const standings = await stewardJson<{ source: string; state: string; message: string }[]>(home, ['backups']);
    expect(standings.map(({ source, state }) => [source, state])).toEqual([
      ['application', 'proven'],
      ['logs', 'partly'],
    ]);
    expect(standings[1]?.message).toContain('busy.log');
    expect((await steward(home, ['doctor'])).stdout).toContain('busy.log');

    const to = join(home, 'extracted');
    await stewardJson(home, ['backup', 'extract', 'application', '--folder', to, '--wait']);
    const database = new DatabaseSync(join(to, application, 'data'), { readOnly: true });
    expect(database.prepare('pragma integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    database.close();
  }, 240_000);
});
