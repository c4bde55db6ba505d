import type Docker from 'dockerode';
import type { BuildCacheEntry, ImageInfo } from '../../core/ports/docker.ts';
import { StewardError } from '../../core/errors.ts';
import { isMissing } from './engine-call.ts';

/** What the engine tells of the space it takes, as far as it is used here. */
interface Usage {
  readonly Images?: readonly ImageUsage[] | null;
  readonly BuildCache?: readonly CacheUsage[] | null;
}

interface ImageUsage {
  readonly Id: string;
  readonly ParentId?: string;
  readonly RepoTags?: readonly string[] | null;
  readonly RepoDigests?: readonly string[] | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly Created: number;
  readonly Size: number;
  readonly SharedSize?: number;
}

interface Inspected extends Pick<ImageUsage, 'Id' | 'RepoTags' | 'RepoDigests'> {
  readonly Metadata?: { readonly LastTagTime?: string };
}

interface CacheUsage {
  readonly ID: string;
  readonly Size: number;
  readonly InUse: boolean;
  readonly Shared: boolean;
  readonly CreatedAt: string;
  readonly LastUsedAt?: string | null;
}

type Call = <T>(
  what: string,
  run: (signal: AbortSignal) => Promise<T>,
  limit?: number,
  outer?: AbortSignal,
) => Promise<T>;

export interface ImagesOptions {
  readonly docker: Docker;
  readonly call: Call;
  /** Patterns of references that stay, as the configuration says at the moment: `registry.example/*`. */
  readonly protect: () => readonly string[];
}

const AT_ONCE = 8;
/** The engine adds up layers for it, and on a full machine takes its time. */
const ADDING_UP_MS = 120_000;
const REMOVING_MS = 120_000;
// Where an image has no tag the engine writes this in its place.
const NONE = /^<none>[:@]/;

export function createImages({ docker, call, protect }: ImagesOptions) {
  const dial = <T>(options: object): Promise<T> =>
    new Promise((resolve, reject) => {
      const told = (error: unknown, data: T): void => {
        if (error) reject(error);
        else resolve(data);
      };
      (docker.modem as { dial(options: object, told: (error: unknown, data: T) => void): void }).dial(options, told);
    });

  const usage = (type: 'image' | 'build-cache'): Promise<Usage> =>
    call(
      'how much space it takes',
      (abortSignal) =>
        dial<Usage>({
          path: '/system/df?',
          method: 'GET',
          // Older engines count everything, whatever is asked for.
          options: { type },
          abortSignal,
          statusCodes: { 200: true, 500: 'server error' },
        }),
      ADDING_UP_MS,
    );

  async function usersOfImages(): Promise<Map<string, string[]>> {
    const containers = await call('list', (abortSignal) => docker.listContainers({ all: true, abortSignal }));
    const users = new Map<string, string[]>();
    for (const { ImageID, Names, Id } of containers)
      users.set(ImageID, [...(users.get(ImageID) ?? []), (Names[0] ?? Id).replace(/^\//, '')]);
    return users;
  }

  async function images({ sizes = true }: { readonly sizes?: boolean } = {}): Promise<ImageInfo[]> {
    const [listed, users] = await Promise.all([
      sizes
        ? usage('image').then(({ Images }) => Images ?? [])
        : call('list images', (abortSignal) => docker.listImages({ abortSignal }) as Promise<ImageUsage[]>),
      usersOfImages(),
    ]);
    const patterns = protect().map(asPattern);
    const found: ImageInfo[] = [];
    for (let at = 0; at < listed.length; at += AT_ONCE) {
      const some = listed.slice(at, at + AT_ONCE);
      const tagged = await Promise.all(
        some.map(async ({ Id }) => instant((await inspected(Id))?.Metadata?.LastTagTime)),
      );
      found.push(...some.map((one, index) => toImage(one, tagged[index], listed, users, patterns)));
    }
    return found;
  }

  async function inspected(id: string): Promise<Inspected | undefined> {
    try {
      return await call(`inspect ${id}`, () => docker.getImage(id).inspect());
    } catch (thrown) {
      if (isMissing(thrown)) return undefined;
      throw thrown;
    }
  }

  return {
    images,

    async buildCache(): Promise<BuildCacheEntry[]> {
      return ((await usage('build-cache')).BuildCache ?? []).map(
        ({ ID, Size, InUse, Shared, CreatedAt, LastUsedAt }) => ({
          id: ID,
          bytes: Size,
          inUse: InUse,
          shared: Shared,
          lastUsedAt: instant(LastUsedAt ?? undefined) ?? new Date(CreatedAt),
        }),
      );
    },

    dataFolder: async (): Promise<string> =>
      (await call('info', () => docker.info() as Promise<{ DockerRootDir: string }>)).DockerRootDir,

    async removeImage(id: string, { signal }: { signal: AbortSignal }): Promise<boolean> {
      const image = await inspected(id);
      if (!image) return false;
      const names = namesOf(image);
      if (isNamedBy(names, protect().map(asPattern))) throw kept(id, 'the configuration says that it stays');
      const users = (await usersOfImages()).get(image.Id) ?? [];
      if (users.length > 0) throw kept(id, `${users.join(', ')} is made of it`);
      // By its names, one after another: the engine itself refuses the last one where a container came between.
      for (const name of [...names.tags, ...names.digests, id]) {
        // Somebody may have pulled or tagged meanwhile: a name goes only while it is this image's, the image only without one.
        const now = await inspected(name);
        if (!now || now.Id !== image.Id) continue;
        const [anew] = name === id ? namesOf(now).tags : [];
        if (anew !== undefined) throw kept(id, `it was named ${anew} meanwhile`);
        try {
          await call(
            `remove ${name}`,
            (abortSignal) => docker.getImage(name).remove({ force: false, abortSignal } as object),
            REMOVING_MS,
            signal,
          );
        } catch (thrown) {
          // Went with the name before it.
          if (!isMissing(thrown)) throw thrown;
        }
      }
      return true;
    },

    async pruneBuildCache({ unusedForMs, signal }: { unusedForMs: number; signal: AbortSignal }) {
      const done = await call(
        'prune the build cache',
        (abortSignal) =>
          dial<{ SpaceReclaimed?: number }>({
            path: '/build/prune?',
            method: 'POST',
            options: { all: true, filters: { 'unused-for': [`${Math.ceil(unusedForMs / 1_000)}s`] } },
            abortSignal,
            statusCodes: { 200: true, 500: 'server error' },
          }),
        REMOVING_MS,
        signal,
      );
      return { bytes: done.SpaceReclaimed ?? 0 };
    },
  };
}

function toImage(
  one: ImageUsage,
  taggedAt: Date | undefined,
  all: readonly ImageUsage[],
  users: ReadonlyMap<string, readonly string[]>,
  patterns: readonly RegExp[],
): ImageInfo {
  const names = namesOf(one);
  return {
    id: one.Id,
    ...names,
    labels: one.Labels ?? {},
    createdAt: new Date(one.Created * 1_000),
    taggedAt,
    bytes: one.Size,
    ownBytes: Math.max(0, one.Size - Math.max(0, one.SharedSize ?? 0)),
    usedBy: users.get(one.Id) ?? [],
    parentOf: all.filter(({ ParentId }) => ParentId === one.Id).length,
    protected: isNamedBy(names, patterns),
  };
}

interface Names {
  readonly tags: readonly string[];
  readonly digests: readonly string[];
}

function namesOf({ RepoTags, RepoDigests }: Pick<ImageUsage, 'RepoTags' | 'RepoDigests'>): Names {
  return {
    tags: (RepoTags ?? []).filter((tag) => !NONE.test(tag)),
    digests: (RepoDigests ?? []).filter((digest) => !NONE.test(digest)),
  };
}

function isNamedBy({ tags, digests }: Names, patterns: readonly RegExp[]): boolean {
  return [...tags, ...digests].some((name) => patterns.some((pattern) => pattern.test(name)));
}

/** `*` stands for anything; a name without a tag means all its tags. */
function asPattern(text: string): RegExp {
  const escaped = text.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}${/[:@][^/]*$/.test(text) ? '' : '([:@].*)?'}$`);
}

// The engine writes the year 1 for 'never'.
function instant(text: string | undefined): Date | undefined {
  const date = new Date(text ?? '');
  return Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1971 ? undefined : date;
}

function kept(id: string, why: string): StewardError {
  return new StewardError('CONFLICT', `Image ${id.slice(0, 19)} is not removed: ${why}.`, {
    hint: 'Look at what uses it: docker ps --all.',
  });
}
