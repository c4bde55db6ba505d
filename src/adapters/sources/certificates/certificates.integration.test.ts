import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CertificatesSource } from '../../../core/backup/source.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { plainStore } from '../../../testing/backup/plain-store.ts';
import { hasProgram } from '../../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { createPrograms } from '../../programs/index.ts';
import { sourceContract } from '../source.contract.ts';
import { createCertificatesReader } from './index.ts';

const missing = !hasProgram('openssl');
const doing = { signal: new AbortController().signal };
let folder: TempFolder;
beforeAll(async () => void (folder = await tempFolder('stw-certs')));
afterAll(() => folder.remove());

const reader = () =>
  createCertificatesReader({
    programs: createPrograms({ environment: process.env }),
    scratch: join(folder.path, 'scratch'),
    now: () => new Date(),
  });
const store = () => plainStore(join(folder.path, 'store'));

/** As certbot has them: the files of an archive, and links that lead to the newest. */
function letsEncrypt(name: string): string {
  const root = join(folder.path, name);
  const [live, archive] = ['live', 'archive'].map((each) => join(root, each, 'shop.example')) as [string, string];
  for (const path of [live, archive]) mkdirSync(path, { recursive: true });
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '30',
      '-subj',
      '/CN=shop.example',
      '-keyout',
      join(archive, 'privkey1.pem'),
      '-out',
      join(archive, 'cert1.pem'),
    ],
    { stdio: 'ignore' },
  );
  execFileSync('chmod', ['600', join(archive, 'privkey1.pem')]);
  for (const each of ['privkey', 'cert'])
    symlinkSync(`../../archive/shop.example/${each}1.pem`, join(live, `${each}.pem`));
  return root;
}

describe.skipIf(missing)(`certificates, as every source${missing ? ' (needs openssl)' : ''}`, () => {
  sourceContract(async () => {
    const root = letsEncrypt("ce'rts $(id)");
    const [key, cert] = ['privkey1.pem', 'cert1.pem'].map((name) => join(root, 'archive/shop.example', name)) as [
      string,
      string,
    ];
    const place = join(folder.path, 'contract');
    const scratch = join(place, 'scratch');
    return {
      reader: createCertificatesReader({
        programs: createPrograms({ environment: process.env }),
        scratch,
        now: () => new Date(),
      }),
      source: CertificatesSource.parse({ kind: 'certificates', name: 'certs', paths: [root] }),
      scratch,
      store: join(place, 'store'),
      state: async () =>
        [key, cert].map((path) => (existsSync(path) ? [readFileSync(path, 'utf8'), statSync(path).mode] : 'gone')),
      ruin: async () => {
        rmSync(cert);
        writeFileSync(key, 'not a key');
      },
      elsewhere: { kind: 'folder', path: join(place, 'else where') },
    };
  });
});

describe.skipIf(missing)(`certificates${missing ? ' (needs openssl)' : ''}`, () => {
  it('are copied, read, tried with their keys, destroyed and restored with their modes', async () => {
    const root = letsEncrypt('good');
    const key = join(root, 'archive/shop.example/privkey1.pem');
    const before = readFileSync(key, 'utf8');
    const source = CertificatesSource.parse({ kind: 'certificates', name: 'certs', paths: [root] });
    const copy = await makeCopy(reader(), source, store(), doing);
    const structure = await reader().structure(copy, doing);
    expect(structure).toMatchObject({
      ok: true,
      statement: expect.stringMatching(/2 certificates .* 2 of 2 keys fit .* in (29|30) days/),
    });
    const sandbox = await reader().sandbox(
      source,
      copy,
      { scratch: join(folder.path, 'scratch'), owner: 'run_1' },
      doing,
    );
    const content = await sandbox.content(doing);
    expect(content.ok).toBe(true);
    expect(statSync(join(sandbox.environment['STEWARD_SANDBOX_PATH'] ?? '', key)).mode & 0o777).toBe(0o600);
    execFileSync('chmod', ['644', join(sandbox.environment['STEWARD_SANDBOX_PATH'] ?? '', key)]);
    expect(await sandbox.content(doing)).toMatchObject({ ok: false });
    await sandbox.end();
    const secret = before.split('\n')[1] ?? '';
    expect(JSON.stringify([structure, content, copy.manifest])).not.toContain(secret.slice(0, 20));

    rmSync(root, { recursive: true });
    await reader().restore(source, copy, { kind: 'original' }, doing);
    expect(statSync(key).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(root, 'live/shop.example/privkey.pem'), 'utf8')).toBe(before);
  });

  it('whose key is another one, or that are cut, are told, and nothing of a key is', async () => {
    const [root, other] = [letsEncrypt('mixed'), letsEncrypt('other')];
    const key = join(root, 'archive/shop.example/privkey1.pem');
    const foreign = readFileSync(join(other, 'archive/shop.example/privkey1.pem'), 'utf8');
    writeFileSync(key, foreign);
    const source = CertificatesSource.parse({ kind: 'certificates', name: 'certs', paths: [root] });
    const misfit = await reader().structure(await makeCopy(reader(), source, store(), doing), doing);
    expect(misfit).toMatchObject({ ok: false, statement: expect.stringContaining('fits none') });
    writeFileSync(key, foreign.slice(0, 80));
    const cut = await reader().structure(await makeCopy(reader(), source, store(), doing), doing);
    expect(cut).toMatchObject({ ok: false, statement: expect.stringContaining('privkey1.pem ends within') });
    expect(JSON.stringify([misfit, cut])).not.toContain(foreign.split('\n')[1]?.slice(0, 20));
  });
});
