import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cephMissing, type S3Server, startCeph } from '../src/testing/world/ceph.ts';
import { type SftpServer, sftpMissing, startSftp } from '../src/testing/world/sftp-server.ts';
import { hasProgram } from '../src/testing/world/start-program.ts';
import { makeHome, removeHome, startSteward, steward, stewardJson } from './kit/steward.ts';

const missing = sftpMissing() ?? cephMissing() ?? (hasProgram('restic') ? undefined : 'needs restic');

describe.skipIf(missing)(`a Steward that is lost with its machine (${missing ?? 'real sshd, real S3'})`, () => {
  const homes: string[] = [];
  let sftp: SftpServer;
  let s3: S3Server;
  let kit: string;

  function newHome(): string {
    const home = makeHome();
    homes.push(home);
    return home;
  }

  beforeAll(async () => {
    [sftp, s3] = await Promise.all([startSftp(), startCeph()]);
    const home = newHome();
    kit = join(newHome(), 'kit.md');
    const repositories = [
      {
        name: 'far',
        kind: 'restic',
        url: `sftp:${sftp.user}@127.0.0.1:${sftp.folder}/restic`,
        options: [`sftp.command=${sftp.command()}`],
      },
      {
        name: 'bucket',
        kind: 'restic',
        url: `s3:${s3.url}/copies/steward`,
        env: { AWS_ACCESS_KEY_ID: { env: 'TEST_ACCESS_KEY' }, AWS_SECRET_ACCESS_KEY: { env: 'TEST_SECRET_KEY' } },
      },
    ];
    const config = { discovery: { enabled: false }, machine: { watch: false }, backups: { repositories } };
    writeFileSync(join(home, 'steward.yaml'), JSON.stringify(config));
    const env = { TEST_ACCESS_KEY: s3.accessKey, TEST_SECRET_KEY: s3.secretKey };
    const running = await startSteward({ home, env });
    try {
      const { status } = await stewardJson<{ status: string }>(home, ['backup', 'run', 'self', '--wait']);
      if (status !== 'succeeded') throw new Error(`the backup ${status}`);
      writeFileSync(kit, (await steward(home, ['backup', 'kit'])).stdout, { mode: 0o600 });
    } finally {
      await running.stop();
    }
    await removeHome(home);
  }, 240_000);

  afterAll(async () => {
    for (const home of homes) await removeHome(home);
    await Promise.all([sftp?.stop(), s3?.stop()]);
  });

  it('comes back from a bucket with nothing but its kit', async () => {
    const next = newHome();
    expect(await stewardJson(next, ['restore-home', '--kit', kit, '--repository', 'bucket'])).toMatchObject({
      repository: 'bucket',
      proof: expect.arrayContaining([expect.stringMatching(/^All \d+ tables and files hold/)]),
    });
    expect(await stewardJson(next, ['audit', 'verify'])).toMatchObject({ ok: true });
  }, 240_000);

  it('comes back by SFTP with its kit and an SSH key, wherever that lies now', async () => {
    const next = newHome();
    const [, key = ''] = / -i (\S+)/.exec(sftp.command()) ?? [];
    const carried = join(newHome(), 'carried-key');
    renameSync(key, carried);
    const wanted = ['restore-home', '--kit', kit, '--repository', 'far'];
    const refused = await steward(next, wanted);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/The repository far: .*(?:SFTP|reached)/);

    const option = `sftp.command=${sftp.command(carried)}`;
    expect(await stewardJson(next, [...wanted, '--option', option])).toMatchObject({ repository: 'far' });
    expect(await stewardJson(next, ['audit', 'verify'])).toMatchObject({ ok: true });
  }, 240_000);
});
