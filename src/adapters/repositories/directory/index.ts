import { access, constants, mkdir, readdir, readFile, statfs } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { isAbsolute, join } from 'node:path';
import type { Part } from '../../../core/backup/copy.ts';
import type { RepositoryOf } from '../../../core/backup/repository.ts';
import type { CopyStore, Doing, RepositoryState } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { errnoOf, fileError } from '../../files/file-errors.ts';
import type { StoreDeps } from '../deps.ts';
import { syncFolder, writeDurably } from '../durable.ts';
import { selfOf } from '../holder.ts';
import { refuseToReplace, rememberPlace } from '../known-places.ts';
import { readCompressed } from './compressed-file.ts';
import { checkCopy } from './check-copy.ts';
import { folderOf, Marker, MARKER, README, README_TEXT, UNFINISHED } from './layout.ts';
import { damaged, manifestAt, sealedIn } from './sealed.ts';
import { listArchive, unpack } from './tree-archive.ts';
import { attemptsIn, discard, openAttempt } from './unfinished.ts';
import { createWriter } from './writer.ts';

/** A folder of files that a person restores with zstd, tar and pg_restore. */
export function createDirectoryStore(repository: RepositoryOf<'directory'>, deps: StoreDeps): CopyStore {
  const root = repository.path;
  const self = selfOf(deps);

  async function opened(): Promise<void> {
    try {
      Marker.parse(JSON.parse(await readFile(join(root, MARKER), 'utf8')));
    } catch (cause) {
      if (['EACCES', 'EPERM'].includes(errnoOf(cause) ?? '')) throw fileError(`${root} cannot be used`, cause);
      throw new StewardError('UNAVAILABLE', `${root} is no repository of copies: ${MARKER} cannot be read there.`, {
        hint: 'See that its disk is mounted. A new place is made a repository first.',
        cause,
      });
    }
  }

  /** What is missing is believed only while the repository is there: a disk that goes away says nothing of a copy. */
  async function mounted<T>(look: () => Promise<T>, whole: (found: T) => boolean = () => true): Promise<T> {
    await opened();
    try {
      const found = await look();
      if (!whole(found)) await opened();
      return found;
    } catch (thrown) {
      await opened();
      throw thrown;
    }
  }

  function forbidRemoval(): void {
    if (!repository.appendOnly) return;
    throw new StewardError('FORBIDDEN', `The repository ${repository.name} only takes: nothing is removed from it.`, {
      hint: 'Remove copies where the right to is, or set appendOnly: false.',
    });
  }

  async function* read(location: string, part: Part, doing: Doing): AsyncGenerator<Uint8Array> {
    const { files } = await mounted(() => manifestAt(root, location));
    const file = files.find((one) => one.part === part.name)?.file;
    if (file === undefined || file.includes('/')) throw damaged(location, `it has no part ${part.name}`);
    try {
      yield* readCompressed(join(folderOf(root, location), file), part, { signal: doing.signal, where: location });
    } catch (thrown) {
      await opened();
      throw thrown;
    }
  }

  /** Where it only takes, too: what was never sealed is no copy. */
  async function sweepDead(
    spared: (attempt: { readonly copy: string | undefined }) => boolean,
  ): Promise<Awaited<ReturnType<typeof attemptsIn>>> {
    await opened();
    const dead = (await attemptsIn(root, self, deps.now())).filter(
      (attempt) => attempt.lock.alive === 'no' && !spared(attempt),
    );
    for (const { folder } of dead) await discard(root, folder);
    return dead;
  }

  async function state(): Promise<RepositoryState> {
    try {
      await opened();
      await access(root, constants.W_OK | constants.X_OK);
      const { bavail, blocks, bsize } = await statfs(root);
      const attempts = await attemptsIn(root, self, deps.now());
      return {
        ok: true,
        encrypted: false,
        freeBytes: bavail * bsize,
        totalBytes: blocks * bsize,
        locks: attempts.map(({ lock }) => lock),
      };
    } catch (thrown) {
      const { message, hint = 'Give Steward a place that it can write to.' } = fileError(
        `${root} cannot be used`,
        thrown,
      );
      return { ok: false, problem: { message, hint }, encrypted: false, locks: [] };
    }
  }

  return {
    repository,
    state,
    objectLock: async () => undefined,
    renewLock: async () => undefined,
    async prepare() {
      if (!isAbsolute(root))
        throw new StewardError('CONFIG_INVALID', `The path '${root}' of ${repository.name} is not absolute.`);
      try {
        await mkdir(root, { recursive: true, mode: 0o700 });
        const names = await readdir(root);
        if (names.includes(MARKER)) {
          await opened();
          // One that another Steward made is missed, too, when its disk is not mounted.
          return await rememberPlace(deps.home, repository, root);
        }
        await refuseToReplace(deps.home, repository, root);
        // A disk of its own brings this folder with it, and a making that was cut short its README.
        const others = names.filter((name) => name !== 'lost+found' && name !== README && name !== UNFINISHED);
        if (others.length > 0)
          throw new StewardError(
            'CONFLICT',
            `${root} is not empty and no repository: it has ${others.slice(0, 3).join(', ')}.`,
            {
              hint: 'Name an empty folder, or one that does not exist yet.',
            },
          );
        if (!names.includes(README)) await writeDurably(join(root, README), README_TEXT);
        const marker = { format: 'steward-directory/1', id: randomUUID(), createdAt: deps.now().toISOString() };
        await writeDurably(join(root, MARKER), `${JSON.stringify(marker, null, 2)}\n`);
        await syncFolder(root);
        await rememberPlace(deps.home, repository, root);
      } catch (thrown) {
        throw fileError(`${root} cannot be made a repository`, thrown);
      }
    },
    async begin(copy, doing) {
      await opened();
      const sealed = (await sealedIn(root, deps.log, copy.source)).find(({ id }) => id === copy.id);
      if (sealed)
        throw new StewardError('CONFLICT', `The copy ${copy.id} is finished already, at ${sealed.location}.`, {
          hint: 'Nothing has to be made again.',
        });
      const earlier = (await attemptsIn(root, self, deps.now())).filter((attempt) => attempt.copy === copy.id);
      const living = earlier.find(({ lock }) => lock.alive !== 'no');
      if (living)
        throw new StewardError('LOCKED', `The copy ${copy.id} is being made by ${living.lock.holder}.`, {
          hint: 'Wait until that ends.',
        });
      try {
        for (const { folder } of earlier) await discard(root, folder);
        const folder = await openAttempt(root, copy, self.holder, deps.now());
        return createWriter({ root, folder }, copy, doing, deps);
      } catch (thrown) {
        throw fileError(`The copy ${copy.id} cannot be begun in ${root}`, thrown);
      }
    },
    async list() {
      await opened();
      return await sealedIn(root, deps.log);
    },
    async manifest(location) {
      const { files: _, ...manifest } = await mounted(() => manifestAt(root, location));
      return manifest;
    },
    read,
    async extract(location, part, to, doing) {
      if ((await readdir(to.folder)).length > 0)
        throw new StewardError('CONFLICT', `${to.folder} is not empty.`, { hint: 'Name an empty folder.' });
      await unpack(read(location, part, doing), to, { programs: deps.programs, doing });
    },
    entries: (location, part, doing) => listArchive(read(location, part, doing)),
    async check(location, doing) {
      return await mounted(
        () => checkCopy(root, location, doing),
        ({ ok }) => ok,
      );
    },
    async remove(location) {
      forbidRemoval();
      await opened();
      try {
        await discard(root, folderOf(root, location));
      } catch (thrown) {
        if (errnoOf(thrown) !== 'ENOENT') throw fileError(`The copy ${location} cannot be removed`, thrown);
      }
    },
    async sweep(alive) {
      const dead = await sweepDead(({ copy }) => copy !== undefined && alive.has(copy));
      return dead.map(({ lock }) => lock.id);
    },
    async unlock() {
      const dead = await sweepDead(() => false);
      return dead.map(({ lock }) => lock);
    },
    // What is removed is gone at once.
    compact: async () => {},
  };
}
