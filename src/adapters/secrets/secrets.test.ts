import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StewardError } from '../../core/errors.ts';
import { SecretTaken } from '../../core/secrets.ts';
import { memoryLog } from '../../testing/log.ts';
import { createSecretResolver } from './secrets.ts';

describe('createSecretResolver', () => {
  let folder: string;
  const log = memoryLog();
  const resolver = (variables: Record<string, string> = {}) =>
    createSecretResolver({ variable: (name) => variables[name], credentialsDirectory: folder, log });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'steward-secrets-'));
    log.lines.length = 0;
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('reads a variable', async () => {
    await expect(resolver({ TOKEN: 'abc' })({ env: 'TOKEN' })).resolves.toBe('abc');
  });

  it('reads a file without the line break at its end, and keeps those inside', async () => {
    await writeFile(join(folder, 'one'), 'abc\r\n', { mode: 0o600 });
    await writeFile(join(folder, 'two'), 'a\nb\n\n', { mode: 0o600 });

    await expect(resolver()({ file: join(folder, 'one') })).resolves.toBe('abc');
    await expect(resolver()({ file: join(folder, 'two') })).resolves.toBe('a\nb\n');
    expect(log.lines).toEqual([]);
  });

  it('sees a rotated secret at the next use', async () => {
    const secrets = resolver();
    const file = join(folder, 'rotated');
    await writeFile(file, 'old', { mode: 0o600 });
    await secrets({ file });

    await writeFile(file, 'new');

    await expect(secrets({ file })).resolves.toBe('new');
  });

  describe('where a file cannot be read any more', () => {
    const secrets = resolver();
    let inner: string;
    let file: string;
    const isTaken = async (): Promise<boolean> =>
      await secrets({ file }).then(
        () => expect.unreachable(),
        (thrown: StewardError) => thrown.code === 'NOT_FOUND' && thrown.cause instanceof SecretTaken,
      );
    beforeEach(async () => {
      inner = join(folder, 'inner');
      file = join(inner, 'secret');
      await mkdir(inner);
      await writeFile(file, 'abc', { mode: 0o600 });
      await secrets({ file });
    });

    it('says that it was taken out of its folder', async () => {
      await rm(file);
      expect(await isTaken()).toBe(true);
    });

    it.each([
      ['its folder is away', async () => await rename(inner, join(folder, 'away'))],
      [
        'another folder is in that place',
        async () => {
          await rename(inner, join(folder, 'away'));
          await mkdir(inner);
        },
      ],
      [
        'it is a link that leads nowhere',
        async () => {
          await rm(file);
          await symlink(join(folder, 'not-mounted', 'secret'), file);
        },
      ],
      [
        'it is no file',
        async () => {
          await rm(file);
          await mkdir(file);
        },
      ],
    ])('does not say so where %s', async (_what, change) => {
      await change();
      expect(await isTaken()).toBe(false);
    });

    it('does not say so of one that it never read', async () => {
      file = join(inner, 'another');
      expect(await isTaken()).toBe(false);
    });
  });

  it('warns once about a file that others can read', async () => {
    const secrets = resolver();
    const file = join(folder, 'open');
    await writeFile(file, 'abc');
    await chmod(file, 0o644);

    await secrets({ file });
    await secrets({ file });

    expect(log.lines).toEqual([
      { level: 'warn', message: 'secret can be read by others', fields: { file, mode: '644', expected: '600' } },
    ]);
  });

  it('reads a credential of systemd', async () => {
    await writeFile(join(folder, 'smtp-password'), 'abc');

    await expect(resolver()({ credential: 'smtp-password' })).resolves.toBe('abc');
    expect(log.lines).toEqual([]);
  });

  it.each([
    [{ env: 'NOPE' }, 'The secret {env: NOPE} cannot be read: the variable is not set.'],
    [
      { file: '/nonexistent/secret' },
      'The secret {file: /nonexistent/secret} cannot be read: /nonexistent/secret: ENOENT.',
    ],
    [{ file: 'relative' }, 'The secret {file: relative} cannot be read: the path is not absolute.'],
    [{ file: '/etc' }, 'The secret {file: /etc} cannot be read: /etc is not a file.'],
    [
      { credential: '../../etc/hostname' },
      'The secret {credential: ../../etc/hostname} cannot be read: a credential has a plain name.',
    ],
    [{ credential: '..' }, 'The secret {credential: ..} cannot be read: a credential has a plain name.'],
  ])('names %j when there is none', async (reference, message) => {
    await expect(resolver()(reference)).rejects.toMatchObject({ code: 'NOT_FOUND', message, hint: expect.any(String) });
  });

  it('counts an empty secret as none', async () => {
    await writeFile(join(folder, 'empty'), '\n', { mode: 0o600 });

    await expect(resolver()({ file: join(folder, 'empty') })).rejects.toThrow('it is empty');
  });
});
