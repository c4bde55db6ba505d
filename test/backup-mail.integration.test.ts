import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemActor } from '../src/core/actor.ts';
import type { Run } from '../src/core/run.ts';
import type { System } from '../src/core/system.ts';
import { defined } from '../src/testing/defined.ts';
import { composeInProcess, type InProcess } from './kit/composition.ts';
import { eventually } from './kit/steward.ts';

interface Mail {
  readonly to: readonly string[];
  readonly text: string;
}

describe('a verification that fails', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stw-mail-'));
  const copies = join(folder, 'copies');
  const mails: Mail[] = [];
  const post = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, { envelope }, done) {
      let text = '';
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      stream.on('end', () => {
        // As a person reads it: headers that the transport folded are whole again.
        mails.push({ to: envelope.rcptTo.map(({ address }) => address), text: text.replaceAll(/\r?\n[ \t]/g, ' ') });
        done();
      });
    },
  });
  let world: InProcess;
  let systems: System[];

  beforeAll(async () => {
    post.on('error', () => undefined);
    post.listen(0, '127.0.0.1');
    await once(post.server, 'listening');
    const { port } = post.server.address() as AddressInfo;
    const path = join(folder, 'shop.db');
    const shop = new DatabaseSync(path);
    shop.exec("create table orders (what text); insert into orders values ('tea'), ('cake')");
    shop.close();
    world = await composeInProcess({
      config: {
        discovery: { enabled: false },
        alerts: {
          hold: '0s',
          channels: [
            {
              kind: 'email',
              name: 'post',
              host: '127.0.0.1',
              port,
              secure: false,
              from: 'steward@example.org',
              to: ['ops@example.org'],
              allowPrivate: true,
            },
          ],
        },
        backups: {
          self: false,
          repositories: [{ name: 'here', kind: 'directory', path: copies }],
          sources: [{ name: 'shop', kind: 'sqlite', path }],
        },
      },
    });
    const named = (name: string): System => defined(world.composition.systems.find((system) => system.name === name));
    systems = ['incidents', 'alerting', 'backups'].map(named);
    for (const system of systems) await system.start?.();
    await world.composition.engine.start();
  }, 120_000);
  afterAll(async () => {
    await world?.composition.engine.stop();
    for (const system of systems?.toReversed() ?? []) await system.stop?.();
    await world?.end();
    const closed = Promise.withResolvers<void>();
    post.close(() => closed.resolve());
    await closed.promise;
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  async function run(automation: string, input: Parameters<typeof start>[0]['input'] = {}): Promise<Run> {
    const { id } = await start({ automation, input, trigger: 'schedule', actor: systemActor('test') });
    return await world.composition.engine.service.wait(id, { timeoutMs: 120_000 });
  }
  const start = (order: Parameters<InProcess['composition']['engine']['service']['start']>[0]) =>
    world.composition.engine.service.start(order);

  it('is an e-mail to whoever is to know, which says which copy it was', async () => {
    expect((await run('backup')).status).toBe('succeeded');
    expect((await run('verify-backups', { restore: 'all' })).status).toBe('succeeded');
    expect(mails).toEqual([]);

    const [copy = ''] = readdirSync(join(copies, 'shop'));
    const part = defined(readdirSync(join(copies, 'shop', copy)).find((name) => name.startsWith('shop_backup_')));
    const bytes = readFileSync(join(copies, 'shop', copy, part));
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    writeFileSync(join(copies, 'shop', copy, part), bytes);
    const { status, error } = await run('verify-backups', { read: 'all' });
    expect(status, JSON.stringify(error)).toBe('failed');

    const arrived = (subject: RegExp): Promise<Mail> =>
      eventually('the e-mail arrives', async () => mails.find(({ text }) => subject.test(text)), 60_000);
    const failed = await arrived(/^Subject: .*verify-backups failed: .*The copy of shop in here is (proven|sound)/m);
    expect(failed.to).toEqual(['ops@example.org']);
    // Whoever looks after copies says so, too, for as long as it is so, whoever started the verification.
    const [, , backups] = systems;
    const watch = defined(backups?.jobs?.find(({ name }) => name === 'backup-watch'));
    await watch.run({ now: new Date(), signal: new AbortController().signal });
    const unsound = await arrived(/^Subject: \[CRITICAL\] A backup is not sound: shop in here/m);
    expect(unsound.to).toEqual(['ops@example.org']);
  }, 240_000);
});
