import { execFile } from 'node:child_process';
import { copyFile, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Dockerd } from './dockerd.ts';
import { tempFolder } from './temp-folder.ts';

const run = promisify(execFile);

/** An image of nothing but busybox (`httpd`, `wget`, `nc`, `sh`), made without a registry. Gives its name. */
export async function busyboxImage(dockerd: Dockerd, name = 'busybox'): Promise<string> {
  await using folder = await tempFolder();
  const root = join(folder.path, 'root');
  await mkdir(join(root, 'bin'), { recursive: true });
  await mkdir(join(root, 'tmp'), { mode: 0o1777 });
  await copyFile('/bin/busybox', join(root, 'bin', 'busybox'));
  const { stdout } = await run('/bin/busybox', ['--list']);
  for (const applet of stdout.split('\n').filter((line) => line && line !== 'busybox'))
    await symlink('busybox', join(root, 'bin', applet));
  const tar = join(folder.path, 'root.tar');
  await run('tar', ['--create', '--file', tar, '--directory', root, '.']);
  await dockerd.docker('import', '--change', 'CMD ["/bin/sh"]', tar, name);
  return name;
}
