import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSecretResolver } from './adapters/secrets/secrets.ts';
import { readEnvironment } from './config/environment.ts';
import { readKit } from './core/backup/recovery-kit.ts';
import { BackupRepository } from './core/backup/repository.ts';
import { examine } from './doctor.ts';
import { exportKit } from './recovery-kit.ts';
import { memoryLog } from './testing/log.ts';
import { type TempFolder, tempFolder } from './testing/world/temp-folder.ts';

const SECRET = "it's $secret";
let home: TempFolder;
let secretFile: string;
let repository: BackupRepository;

beforeEach(async () => {
  home = await tempFolder('stw-kit');
  secretFile = join(home.path, 'spaces');
  await writeFile(secretFile, `${SECRET}\n`);
  await mkdir(join(home.path, 'backup-keys'));
  await writeFile(join(home.path, 'backup-keys/bucket'), 'the key of restic\n');
  await writeFile(join(home.path, 'audit.key'), 'ab'.repeat(32));
  const written = {
    kind: 'restic',
    name: 'bucket',
    url: 's3:https://s3.example.test/bucket',
    env: { AWS_ACCESS_KEY_ID: 'public', AWS_SECRET_ACCESS_KEY: { file: secretFile } },
  };
  repository = BackupRepository.parse(written);
  // YAML is a superset of JSON.
  await writeFile(join(home.path, 'steward.yaml'), JSON.stringify({ backups: { repositories: [written] } }));
});
afterEach(() => home.remove());

const secrets = createSecretResolver({ variable: () => undefined, credentialsDirectory: undefined, log: memoryLog() });
const exported = (): Promise<string> =>
  exportKit(
    { repositories: [repository], copies: [], locks: new Map() },
    { secrets, home: home.path, node: 'alpha', now: () => new Date() },
  );
async function doctor(): Promise<{ state: string; detail: string }> {
  const found = await examine(readEnvironment({ STEWARD_HOME: home.path }));
  const { state, detail } = found.find(({ what }) => what === 'recovery kit') ?? { state: '', detail: '' };
  return { state, detail };
}

describe('the recovery kit, as steward doctor sees it', () => {
  it('is missing until somebody exports it, and then opens its repositories by itself', async () => {
    expect(await doctor()).toMatchObject({ state: 'problem', detail: expect.stringContaining('Nobody has exported') });
    const page = await exported();
    expect(await doctor()).toMatchObject({ state: 'ok' });

    // A shell that has nothing but the page has what restic asks for.
    const commands = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block ?? '');
    const opening = commands.find((block) => block.includes('RESTIC_REPOSITORY'))?.replace(/^restic .*$/m, '') ?? '';
    const said = execFileSync(
      'sh',
      ['-e', '-c', `${opening}\nprintf '%s|' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$RESTIC_PASSWORD"`],
      { env: { PATH: process.env['PATH'] }, encoding: 'utf8' },
    );
    expect(said).toBe(`public|${SECRET}|the key of restic|`);
    // So has a Steward on a new machine, where the references lead nowhere.
    expect(readKit(page).repositories[0]?.repository).toMatchObject({
      env: { AWS_ACCESS_KEY_ID: 'public', AWS_SECRET_ACCESS_KEY: SECRET },
    });
  });

  it('is outdated once a secret, a key or a place is another', async () => {
    await exported();
    await writeFile(secretFile, 'rotated');
    expect(await doctor()).toMatchObject({
      state: 'problem',
      detail: expect.stringContaining('secrets than there are'),
    });
    await exported();
    expect(await doctor()).toMatchObject({ state: 'ok' });
    await writeFile(join(home.path, 'backup-keys/bucket'), 'another key');
    expect((await doctor()).state).toBe('problem');
    await exported();
    const moved = { ...repository, url: 's3:https://elsewhere.example.test/bucket' };
    await writeFile(join(home.path, 'steward.yaml'), JSON.stringify({ backups: { repositories: [moved] } }));
    expect(await doctor()).toMatchObject({ state: 'problem', detail: expect.stringContaining('other repositories') });
  });

  it('takes a secret that only the server can read for unchanged', async () => {
    await exported();
    await rm(secretFile);
    expect(await doctor()).toMatchObject({ state: 'ok' });
  });

  it('names the secret that it lacks', async () => {
    await rm(secretFile);
    const page = await exported();
    expect(page).toContain('**AWS_SECRET_ACCESS_KEY is not in this kit');
    const lacks = { state: 'problem', detail: expect.stringContaining('AWS_SECRET_ACCESS_KEY of bucket') };
    expect(await doctor()).toMatchObject(lacks);
    await writeFile(secretFile, SECRET);
    expect(await doctor()).toMatchObject({
      state: 'problem',
      detail: expect.stringContaining('secrets than there are'),
    });
  });
});
