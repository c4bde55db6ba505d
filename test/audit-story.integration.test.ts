import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withDatabase } from './kit/database.ts';
import {
  eventually,
  freePort,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  steward,
  stewardJson,
} from './kit/steward.ts';

const RSYSLOGD = '/usr/sbin/rsyslogd';
const hasRsyslog = existsSync(RSYSLOGD);

interface Entry {
  readonly seq: number;
  readonly action: string;
  readonly outcome: string;
  readonly node: string;
  readonly actor: { readonly name: string; readonly onBehalfOf?: string };
  readonly before?: unknown;
  readonly after?: unknown;
  readonly hash: string;
}

describe('the record, from the outside', () => {
  const home = makeHome();
  const elsewhere = mkdtempSync(join(tmpdir(), 'stw-elsewhere-'));
  const checkpoints = join(elsewhere, 'checkpoints.jsonl');
  let rsyslogd: ChildProcess | undefined;
  let running: RunningSteward;
  let configuration = '';

  beforeAll(async () => {
    const port = await freePort();
    if (hasRsyslog) {
      writeFileSync(
        join(elsewhere, 'rsyslog.conf'),
        `global(workDirectory="${elsewhere}" maxMessageSize="16k")
module(load="imtcp")
template(name="raw" type="string" string="%structured-data%|%msg%\\n")
ruleset(name="all") { action(type="omfile" file="${elsewhere}/received" template="raw" flushOnTXEnd="on") }
input(type="imtcp" address="127.0.0.1" port="${port}" ruleset="all")
`,
      );
      rsyslogd = spawn(RSYSLOGD, ['-n', '-f', join(elsewhere, 'rsyslog.conf'), '-i', join(elsewhere, 'pid')], {
        stdio: 'ignore',
      });
    }
    configuration = `
node: { name: first }
audit:
  forward: ${hasRsyslog ? `[{ syslog: { transport: tcp, host: 127.0.0.1, port: ${port}, allowPrivate: true } }]` : '[]'}
  checkpoints: [{ path: ${checkpoints}, every: 1s }]
`;
    writeFileSync(join(home, 'steward.yaml'), configuration);
    running = await startSteward({ home });
    await stewardJson(home, ['user', 'create', 'grace', '--role', 'admin', '--password', 'correct horse battery']);
  }, 90_000);
  afterAll(async () => {
    // Also where it never came up.
    await (running as RunningSteward | undefined)?.stop();
    if (rsyslogd) {
      rsyslogd.kill('SIGKILL');
      await once(rsyslogd, 'exit');
    }
    await removeHome(home);
    rmSync(elsewhere, { recursive: true, force: true });
  });

  const logs = (...filters: string[]) => stewardJson<Entry[]>(home, ['audit', 'logs', ...filters]);

  it('tells the whole story of a run, in its order', async () => {
    const run = await stewardJson<{ id: string }>(home, [
      'run',
      'clean-temp-files',
      '--reason',
      'for the record',
      '--wait',
    ]);

    const story = await eventually('the end of the story', async () => {
      const entries = await stewardJson<Entry[]>(home, ['audit', 'trail', 'run', run.id]);
      return entries.some(({ action }) => action === 'run.planned') &&
        entries.some(({ action }) => action === 'run.finished')
        ? entries
        : undefined;
    });
    const actions = story.map(({ action }) => action);
    const order = ['run.requested', 'run.accepted', 'run.planning', 'run.finished'].map((action) =>
      actions.indexOf(action),
    );
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order).not.toContain(-1);
    expect(story.every(({ node }) => node === 'first')).toBe(true);
  }, 60_000);

  it('shows before and after of a change of the configuration, of a user and of the mode', async () => {
    await stewardJson(home, ['user', 'create', 'vera', '--role', 'viewer', '--password', 'correct horse battery']);
    await stewardJson(home, ['user', 'update', 'vera', '--role', 'operator']);
    expect(await logs('--action', 'command.update-user', '--outcome', 'succeeded')).toMatchObject([
      { before: { role: 'viewer', disabled: false }, after: { role: 'operator', disabled: false } },
    ]);

    writeFileSync(join(home, 'steward.yaml'), `${configuration}healing: { perHour: 2 }\n`);
    const changed = await eventually(
      'the change is on record',
      async () => (await logs('--action', 'config.loaded'))[0],
    );
    expect(changed).toMatchObject({
      before: { healing: { perHour: 3 } },
      after: { healing: { perHour: 2 } },
      actor: { name: 'configuration' },
    });
    expect(JSON.stringify(await logs())).not.toContain('correct horse');
  }, 60_000);

  it('holds no password, token or proof, whoever sent them where', async () => {
    const { token } = await stewardJson<{ token: string }>(home, [
      'token',
      'create',
      '--role',
      'operator',
      '--name',
      'ci',
    ]);
    const post = (path: string, body: object) =>
      fetch(`${running.url}/api/v1/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    await post('approve-run', { id: 'run_x', planHash: 'x', proof: { password: 'hunter2-proof', code: '424242' } });
    await post('login', { name: 'vera', password: 'hunter2-login' });
    await post('create-user', { name: 'eve', password: 'hunter2-user', role: 'viewer' });
    await post('create-token', { name: `leak ${token}`, role: 'viewer' });
    await post('reject-run', { id: 'run_x', reason: `because password=hunter2-reason and ${token}` });

    const { rows } = await withDatabase(home, (client) => client.query('select entry::text as text from audit_log'));
    const all = rows.map(({ text }: { text: string }) => text).join('\n');
    expect(all).not.toContain('hunter2');
    expect(all).not.toContain('424242');
    expect(all).not.toContain(token);
    expect(all).toContain('command.reject-run');
  }, 60_000);

  it('goes on behind a command beside the server', async () => {
    const { code, stderr } = await steward(home, ['admin', 'create', 'ada']);
    expect([code, stderr]).toEqual([0, '']);
    await stewardJson(home, ['token', 'create', '--role', 'viewer', '--name', 'behind']);

    expect(await stewardJson(home, ['audit', 'verify'])).toMatchObject({ ok: true, places: [{ place: checkpoints }] });
    expect(await logs('--action', 'user.admin-created')).toHaveLength(1);
  }, 60_000);

  it('is exported, counted, and verified where there is no Steward', async () => {
    const file = join(elsewhere, 'audit.jsonl');
    expect((await steward(home, ['audit', 'export', '--format', 'jsonl', '--output', file])).code).toBe(0);
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    const csv = await steward(home, ['audit', 'export', '--format', 'csv']);
    expect(csv.stdout.split('\r\n').length).toBeGreaterThanOrEqual(lines.length);
    expect(csv.stdout).toMatch(/^at,node,actor,/);

    const key = join(elsewhere, 'audit.key');
    writeFileSync(key, readFileSync(join(home, 'audit.key')));
    const nowhere = mkdtempSync(join(elsewhere, 'nowhere-'));
    const verify = (path: string) => steward(nowhere, ['audit', 'verify', '--file', path, '--key', key, '--json']);
    const whole = await verify(file);
    expect([whole.code, whole.stderr]).toEqual([0, '']);
    expect(JSON.parse(whole.stdout)).toMatchObject({ ok: true, records: lines.length, first: 1 });

    writeFileSync(file, lines.toSpliced(3, 1).join('\n'));
    expect((await verify(file)).code).toBe(24);
    expect(await logs('--action', 'audit.exported')).toMatchObject([
      { outcome: 'succeeded' },
      {},
      {},
      { outcome: 'allowed' },
    ]);
    const statistics = await stewardJson<{ byDay: unknown[]; refused: number }>(home, ['audit', 'statistics']);
    expect(statistics.byDay.length).toBeGreaterThan(0);
  }, 90_000);

  it.skipIf(!hasRsyslog)('reaches the syslog server whole (Debian package rsyslog)', async () => {
    const entries = await logs('--limit', '500');
    const newest = entries[0]?.seq ?? 0;
    const received = await eventually('the newest record has arrived', async () => {
      const text = readFileSync(join(elsewhere, 'received'), 'utf8');
      return text.includes(`seq="${newest}"`) ? text : undefined;
    });
    for (const { seq, hash } of entries) expect(received).toContain(`seq="${seq}" hash="${hash}"`);
    expect(await stewardJson(home, ['audit', 'deliveries'])).toMatchObject([
      { kind: 'forward', to: expect.stringContaining('tcp://127.0.0.1:') },
      { kind: 'checkpoints', to: checkpoints },
    ]);
  });

  it('is in the views of the families of operations', async () => {
    const { rows } = await withDatabase(home, (client) =>
      client.query(
        `select automation, status, actor from maintenance_operations where automation = 'clean-temp-files'`,
      ),
    );
    expect(rows).toMatchObject([{ status: expect.stringMatching(/succeeded|waiting-approval/) }]);
  });
});
