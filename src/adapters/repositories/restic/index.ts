import { readdir, statfs } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import type { RepositoryOf } from '../../../core/backup/repository.ts';
import type { CopyStore, Doing, RepositoryState } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { StoreDeps } from '../deps.ts';
import { isSameProcess, selfOf } from '../holder.ts';
import { refuseToReplace, rememberPlace } from '../known-places.ts';
import { safeName } from '../../../core/backup/names.ts';
import { createBucketLock } from './bucket-lock.ts';
import { createContents } from './contents.ts';
import { keepKey, newKey, readKey } from './key.ts';
import { createLocks } from './locks.ts';
import { isNear } from './near.ts';
import { createOpened } from './opened.ts';
import { createRestic } from './program.ts';
import { mayGoOn, parseSnapshots, type PartSnapshot, SEAL } from './snapshots.ts';
import { ResticError } from './trouble.ts';
import { createWriter } from './writer.ts';

/** How long a place may take to answer whether it is there. */
const ANSWER_MS = 60_000;
/** Parts of which nobody here can tell who makes them are left alone this long. */
const UNKNOWN_MS = 2 * 24 * 3_600_000;

/** Copies that this process gave up without taking all of them back: what is there of them is nobody's. */
const givenUp = new Set<string>();

/** Encrypted, deduplicated and incremental, on a disk, S3 or SFTP: by the program restic. */
export function createResticStore(repository: RepositoryOf<'restic'>, deps: StoreDeps): CopyStore {
  const restic = createRestic(repository, deps, clearLocks);
  const self = selfOf(deps);
  const folder = isAbsolute(repository.url) ? repository.url : undefined;
  const key = (): Promise<string> => readKey(repository, deps);
  const opened = createOpened(`${deps.home} ${repository.name}`, folder);
  const locks = createLocks(restic, key, { url: repository.url, folder, now: deps.now });
  const contents = createContents(restic, key, locks.mayReadBeside);
  const bucketLock = createBucketLock(repository, deps);

  /** A lock whose holder is dead stops nobody. */
  async function unlocking<T>(doing: Doing, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      if (!(thrown instanceof ResticError) || thrown.trouble !== 'locked') throw thrown;
      if ((await locks.unlock(doing)).length === 0) throw thrown;
      return await work();
    }
  }

  async function snapshots(doing: Doing, copy?: string): Promise<PartSnapshot[]> {
    const tags = copy === undefined ? 'steward' : `steward,copy=${copy}`;
    const { stdout } = await restic.run(['snapshots', '--json', '--no-lock', `--tag=${tags}`], await key(), { doing });
    return parseSnapshots(stdout);
  }

  async function forget(ids: readonly string[], doing: Doing): Promise<void> {
    if (ids.length === 0) return;
    await unlocking(doing, async () => await restic.run(['forget', '--quiet', ...ids], await key(), { doing }));
  }

  const calledHere = (copy: string): string => `${repository.url} ${copy}`;

  /** Whether somebody may still be at it. */
  const isBeingMade = (part: PartSnapshot): boolean =>
    !(givenUp.has(calledHere(part.copy)) && isSameProcess(part.holder, self.holder)) &&
    mayGoOn(part, self, deps.now(), UNKNOWN_MS);

  /**
   * All that this process made of a copy, and not only what its writer knows: a restic that was ended may have kept its part before.
   * What somebody made who has taken over is theirs.
   */
  async function takeBack(copy: string): Promise<void> {
    givenUp.add(calledHere(copy));
    if (repository.appendOnly) return;
    // What is taken back is taken back also where the caller gave up.
    const doing = { signal: AbortSignal.timeout(ANSWER_MS * 5) };
    const found = await snapshots(doing, copy);
    const ours = found.filter(({ holder }) => isSameProcess(holder, self.holder)).map(({ id }) => id);
    if (!found.some(({ part }) => part === SEAL)) await forget(ours, doing);
    givenUp.delete(calledHere(copy));
  }

  const isThere = async (doing: Doing, withKey: string): Promise<unknown> =>
    await restic.run(['cat', 'config', '--no-lock'], withKey, { doing, timeoutMs: ANSWER_MS });

  async function make(doing: Doing): Promise<void> {
    await refuseToReplace(deps.home, repository, repository.url);
    const others = folder === undefined ? [] : await readdir(folder).catch(() => []);
    if (others.some((name) => name !== 'lost+found'))
      throw new StewardError('CONFLICT', `${folder} is not empty and no repository of restic.`, {
        hint: 'Name an empty folder, or one that does not exist yet.',
      });
    if (
      !repository.password &&
      !(await key().then(
        () => true,
        () => false,
      ))
    )
      await keepKey(deps.home, repository.name, newKey());
    await restic.run(['init', '--quiet'], await key(), { doing });
  }

  async function state(doing: Doing): Promise<RepositoryState> {
    try {
      await isThere(doing, await key());
      const held = await locks.list(doing);
      const room = folder === undefined ? undefined : await statfs(folder);
      return {
        ok: true,
        encrypted: true,
        ...(room && { freeBytes: room.bavail * room.bsize, totalBytes: room.blocks * room.bsize }),
        locks: held,
      };
    } catch (thrown) {
      if (doing.signal.aborted) throw thrown;
      const { message, hint = 'Look at the repository with restic itself.' } = StewardError.from(thrown);
      return { ok: false, problem: { message, hint }, encrypted: true, locks: [] };
    }
  }

  return {
    repository,
    state,
    objectLock: (doing) => bucketLock.look(doing),
    renewLock: (doing) => bucketLock.renew(doing),
    async prepare(doing) {
      const known = await key().catch(() => undefined);
      if (known !== undefined && (await opened.has(known))) return;
      if (known === undefined && repository.password) await key();
      try {
        await isThere(doing, known ?? newKey());
      } catch (thrown) {
        const trouble = thrown instanceof ResticError ? thrown.trouble : undefined;
        if (trouble === 'wrong-key' && known === undefined)
          throw new StewardError(
            'CONFLICT',
            `At ${repository.name} is a repository already, and Steward has no key for it.`,
            {
              hint: 'Name the secret that holds its password, or choose an empty place.',
              cause: thrown,
            },
          );
        if (trouble !== 'no-repository') throw thrown;
        await make(doing);
      }
      await opened.add(known ?? (await key()));
      await rememberPlace(deps.home, repository, repository.url);
    },
    async begin(copy, doing) {
      const earlier = copy.first
        ? []
        : await snapshots(doing, safeName(copy.id)).catch(async (thrown: unknown) => {
            throw await explained(thrown, doing);
          });
      if (earlier.some(({ part }) => part === SEAL))
        throw new StewardError('CONFLICT', `The copy ${copy.id} is finished already.`, {
          hint: 'Nothing has to be made again.',
        });
      if (earlier.some(isBeingMade))
        throw new StewardError('LOCKED', `The copy ${copy.id} is being made by another process.`, {
          hint: 'Wait until that ends.',
        });
      if (!repository.appendOnly)
        await forget(
          earlier.map(({ id }) => id),
          doing,
        );
      givenUp.delete(calledHere(safeName(copy.id)));
      return createWriter({
        restic,
        key: await key(),
        folder,
        near: folder !== undefined && (await isNear(folder)),
        copy,
        node: deps.node,
        holder: self.holder,
        doing,
        log: deps.log,
        takeBack: () => takeBack(safeName(copy.id)),
        forget: async (ids) => {
          if (!repository.appendOnly) await forget(ids, { signal: AbortSignal.timeout(ANSWER_MS * 5) });
        },
      });
    },
    async list(doing) {
      const sealed = (await snapshots(doing)).filter(({ part }) => part === SEAL);
      const byCopy = new Map(sealed.map((snapshot) => [snapshot.copy, snapshot]));
      return [...byCopy.values()].map(({ copy, source, time }) => ({
        id: decodeURIComponent(copy),
        source: decodeURIComponent(source),
        location: copy,
        claimedAt: time,
      }));
    },
    async manifest(location, doing) {
      const { snapshots: _, held: __, ...manifest } = await contents.manifest(location, doing);
      return manifest;
    },
    read: (location, part, doing) => contents.read(location, part, doing),
    entries: (location, part, doing) => contents.entries(location, part, doing),
    extract: async (location, part, to, doing) =>
      await unlocking(doing, () => contents.extract(location, part, to, doing)),
    check: async (location, doing) => await contents.check(location, doing),
    async remove(location, doing) {
      if (repository.appendOnly)
        throw new StewardError(
          'FORBIDDEN',
          `The repository ${repository.name} only takes: nothing is removed from it.`,
          {
            hint: 'Remove copies where the right to is, or set appendOnly: false.',
          },
        );
      const found = await snapshots(doing, safeName(decodeURIComponent(location)));
      const [seals, parts] = [found.filter(({ part }) => part === SEAL), found.filter(({ part }) => part !== SEAL)];
      // First what makes it count: one that is removed halfway is never listed.
      await forget(
        seals.map(({ id }) => id),
        doing,
      );
      await forget(
        parts.map(({ id }) => id),
        doing,
      );
      contents.forgetManifest(location);
    },
    async sweep(alive, doing) {
      if (repository.appendOnly) return [];
      const found = await snapshots(doing);
      const spared = new Set([
        ...[...alive].map(safeName),
        ...found.filter(({ part }) => part === SEAL).map(({ copy }) => copy),
      ]);
      const dead = found.filter((one) => !spared.has(one.copy) && !isBeingMade(one));
      await forget(
        dead.map(({ id }) => id),
        doing,
      );
      return dead.map(({ copy, part }) => `${decodeURIComponent(copy)} ${part}`);
    },
    unlock: (doing) => locks.unlock(doing),
    async compact(doing) {
      await unlocking(
        doing,
        async () => await restic.run(['prune', '--quiet', '--cleanup-cache'], await key(), { doing }),
      );
    },
  };

  /** Best effort: what stays is removed when it is in the way. */
  async function clearLocks(): Promise<void> {
    await locks.unlock({ signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => []);
  }

  async function explained(thrown: unknown, doing: Doing): Promise<unknown> {
    // Without a key nothing can be said but that; without a repository the key does not matter.
    if (!(thrown instanceof StewardError) || thrown instanceof ResticError || thrown.code !== 'FORBIDDEN')
      return thrown;
    return await isThere(doing, newKey()).then(
      () => thrown,
      (why: unknown) => (why instanceof ResticError && why.trouble === 'no-repository' ? why : thrown),
    );
  }
}
