import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LayerResult, Manifest, Part } from '../../core/backup/copy.ts';
import type { Bytes, CopyStore, CopyWriter } from '../../core/backup/store.ts';
import { StewardError } from '../../core/errors.ts';

/**
 * A folder of plain files that behaves as a repository has to: parts flow, trees are tar files, the manifest comes last, and
 * what is read is compared with it. For tests of what is copied; the real ones have a contract of their own.
 */
export function plainStore(root: string): CopyStore {
  const at = (location: string, name: string): string => join(root, location, name);
  async function* read(location: string, part: Part): Bytes {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(at(location, part.name))) {
      hash.update(chunk as Buffer);
      yield chunk as Buffer;
    }
    if (hash.digest('hex') !== part.sha256)
      throw new StewardError('VERIFICATION_FAILED', `${part.name} of ${location} is not what its manifest says.`);
  }
  return {
    repository: { kind: 'directory', name: 'plain', appendOnly: false, path: root },
    state: async () => ({ ok: true, encrypted: false, locks: [] }),
    objectLock: async () => undefined,
    renewLock: async () => undefined,
    prepare: async () => void (await mkdir(root, { recursive: true })),
    async begin({ id }) {
      await mkdir(join(root, `.${id}`), { recursive: true });
      return writer(root, id);
    },
    async list() {
      const names = (await readdir(root)).filter((name) => !name.startsWith('.'));
      return Promise.all(
        names.map(async (location) => {
          const manifest = JSON.parse(await readFile(at(location, 'manifest.json'), 'utf8')) as Manifest;
          return { id: location, source: manifest.source.name, location, claimedAt: new Date(manifest.startedAt) };
        }),
      );
    },
    manifest: async (location) => JSON.parse(await readFile(at(location, 'manifest.json'), 'utf8')) as Manifest,
    read,
    async extract(location, part, { folder, only = [] }) {
      for await (const chunk of read(location, part)) void chunk;
      const names = only.map((path) => path.replace(/^\/+/, ''));
      const flags = process.getuid?.() === 0 ? ['--same-owner', '--numeric-owner', '-p'] : ['-p'];
      await tar(['-x', ...flags, '-f', at(location, part.name), '-C', folder, '--', ...names]);
    },
    async *entries(location, part) {
      const { stdout } = await tar([
        '-t',
        '-v',
        '--numeric-owner',
        '--quoting-style=literal',
        '-f',
        at(location, part.name),
      ]);
      const kinds = { d: 'directory', l: 'link' } as const;
      for (const line of stdout.split('\n')) {
        const found = /^(.)\S+\s+\S+\s+(\d+) \S+ \S+ (.*)$/.exec(line);
        if (!found) continue;
        const [, type = '', bytes, name = ''] = found;
        // A second name of a file has no bytes of its own in a tar.
        const path = `/${name.replace(/ (->|link to) .*$/, '').replace(/^\/|\/$/g, '')}`;
        yield { path, kind: type in kinds ? kinds[type as 'd'] : 'file', bytes: Number(bytes) };
      }
    },
    async check(location): Promise<LayerResult> {
      const startedAt = performance.now();
      try {
        for (const part of (JSON.parse(await readFile(at(location, 'manifest.json'), 'utf8')) as Manifest).parts)
          for await (const chunk of read(location, part)) void chunk;
        return { layer: 'bytes', ok: true, statement: 'As written.', durationMs: performance.now() - startedAt };
      } catch (thrown) {
        const statement = (thrown as Error).message;
        return { layer: 'bytes', ok: false, statement, durationMs: performance.now() - startedAt };
      }
    },
    remove: (location) => rm(join(root, location), { recursive: true, force: true }),
    async sweep(alive) {
      const left = (await readdir(root)).filter((name) => name.startsWith('.') && !alive.has(name.slice(1)));
      for (const name of left) await rm(join(root, name), { recursive: true });
      return left;
    },
    unlock: async () => [],
    compact: async () => undefined,
  };
}

function writer(root: string, id: string): CopyWriter {
  const folder = join(root, `.${id}`);
  const measured = async (name: string): Promise<Pick<Part, 'bytes' | 'sha256' | 'storedBytes'>> => {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(join(folder, name))) hash.update(chunk as Buffer);
    const { size } = await stat(join(folder, name));
    return { bytes: size, storedBytes: size, sha256: hash.digest('hex') };
  };
  return {
    encrypted: false,
    async part(part, content) {
      try {
        await using file = await open(join(folder, part.name), 'wx');
        for await (const chunk of content) await file.writeFile(chunk);
      } catch (thrown) {
        await rm(join(folder, part.name), { force: true });
        throw thrown;
      }
      return { ...part, ...(await measured(part.name)) };
    },
    async tree({ name }, { paths, exclude }) {
      const excluded = exclude.flatMap((pattern) => [
        pattern.startsWith('/') ? '--anchored' : '--no-anchored',
        `--exclude=${pattern.replace(/^\/+/, '')}`,
      ]);
      const args = ['--warning=no-file-changed', '--numeric-owner', '--wildcards', '--no-wildcards-match-slash'];
      const what = ['--', ...paths.map((path) => path.replace(/^\/+/, ''))];
      const { stdout } = await tar(
        [
          '-c',
          '-v',
          '--format=posix',
          '--quoting-style=literal',
          '-f',
          join(folder, name),
          '-C',
          '/',
          ...args,
          ...excluded,
          ...what,
        ],
        1,
      );
      const files = stdout.split('\n').filter((line) => line && !line.endsWith('/')).length;
      return { name, kind: 'tree', ...(await measured(name)), files, unreadable: [], changed: [] };
    },
    async seal(manifest) {
      await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
      await rename(folder, join(root, id));
      return { location: id, storedBytes: manifest.parts.reduce((sum, part) => sum + part.storedBytes, 0) };
    },
    drop: (part) => rm(join(folder, part), { force: true }),
    abandon: () => rm(folder, { recursive: true, force: true }),
  };
}

/** 1 means that a file changed while it was read, which whoever copies has to notice by itself. */
function tar(args: readonly string[], worst = 0): Promise<{ stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('tar', args, { env: { ...process.env, LC_ALL: 'C.UTF-8' } });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) =>
      code !== null && code <= worst
        ? resolve({ stdout })
        : reject(
            new StewardError(
              /No space left|Wrote only/.test(stderr) ? 'DISK_FULL' : 'PROGRAM_FAILED',
              `tar: ${code} ${stderr}`,
            ),
          ),
    );
  });
}
