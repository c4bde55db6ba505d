import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { LayerResult, Part } from '../../../core/backup/copy.ts';
import type { Bytes, CopyStore, Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { notThePart, verified } from '../measured.ts';
import { asPattern, safeName } from '../../../core/backup/names.ts';
import { progressOf } from '../told-progress.ts';
import { linesOf, printedBy } from './flow.ts';
import type { Restic } from './program.ts';
import { parseSnapshots, SEAL } from './snapshots.ts';
import { ResticError } from './trouble.ts';
import { StoredManifest } from './writer.ts';

type Entry = CopyStore['entries'] extends (...args: never[]) => AsyncIterable<infer Item> ? Item : never;

const Node = z.object({
  struct_type: z.literal('node'),
  path: z.string(),
  type: z.string(),
  size: z.number().default(0),
});
const KINDS: Partial<Record<string, Entry['kind']>> = { file: 'file', dir: 'directory', symlink: 'link' };
/** Manifests do not change: this many are remembered, so that reading a part opens the repository once. */
const REMEMBERED = 200;

export interface Contents extends Pick<CopyStore, 'read' | 'extract' | 'entries' | 'check'> {
  manifest(location: string, doing: Doing): Promise<StoredManifest>;
  forgetManifest(location: string): void;
}

async function* inOne(text: string): Bytes {
  yield Buffer.from(text);
}

/** What sealed copies hold. `mayReadBeside` is asked where a lock is in the way. */
export function createContents(
  restic: Restic,
  key: () => Promise<string>,
  mayReadBeside: (doing: Doing) => Promise<boolean>,
): Contents {
  const known = new Map<string, StoredManifest>();

  async function manifest(location: string, doing: Doing): Promise<StoredManifest> {
    const remembered = known.get(location);
    if (remembered) return remembered;
    const found = await readManifest(location, [], doing);
    if (known.size >= REMEMBERED) known.clear();
    // What it holds besides is not for every reader.
    known.set(location, { ...found, held: {} });
    return found;
  }

  async function readManifest(location: string, args: readonly string[], doing: Doing): Promise<StoredManifest> {
    const copy = safeName(decodeURIComponent(location));
    const tag = `--tag=steward,copy=${copy},part=${SEAL}`;
    const { stdout } = await restic.run(['dump', '--no-lock', ...args, tag, 'latest', `/${SEAL}`], await key(), {
      doing,
    });
    try {
      return StoredManifest.parse(JSON.parse(stdout));
    } catch (cause) {
      throw notThePart({ name: SEAL }, location, 'it has not the form of one', cause);
    }
  }

  function snapshotOf({ snapshots }: StoredManifest, part: Part, location: string): string {
    const snapshot = snapshots[part.name];
    if (snapshot === undefined) throw notThePart(part, location, 'the manifest names no snapshot of it');
    return snapshot;
  }

  function dumped(args: readonly string[], doing: Doing): AsyncGenerator<Uint8Array> {
    return printedBy(async (take, stop) => {
      const signal = AbortSignal.any([doing.signal, stop]);
      await restic.stream(['dump', ...args], await key(), { doing: { signal } }, take);
    });
  }

  async function* dump(args: readonly string[], doing: Doing): AsyncGenerator<Uint8Array> {
    try {
      yield* dumped(args, doing);
    } catch (thrown) {
      yield* dumped(await withoutLock(thrown, args, doing), doing);
    }
  }

  /**
   * Whoever restores on a new machine in a hurry does not wait for the lock that the old one left. Every byte is checked as it is
   * read; should somebody live after all and remove what is read, reading fails. restic takes its lock before it reads anything.
   */
  async function withoutLock(thrown: unknown, args: readonly string[], doing: Doing): Promise<readonly string[]> {
    if (!(thrown instanceof ResticError) || thrown.trouble !== 'locked' || !(await mayReadBeside(doing))) throw thrown;
    return ['--no-lock', ...args];
  }

  async function* readPart(
    of: StoredManifest,
    location: string,
    part: Part,
    args: readonly string[],
    doing: Doing,
  ): Bytes {
    // restic keeps no empty stream.
    if (part.bytes === 0 && part.kind !== 'tree') return;
    if (of.snapshots[part.name] === undefined && part.kind === 'contents') {
      const held = of.held[part.name] ?? (await readManifest(location, args, doing)).held[part.name];
      if (held !== undefined) return yield* verified(inOne(held), part, location);
    }
    const snapshot = snapshotOf(of, part, location);
    if (part.kind === 'tree') yield* dump([...args, '--archive=tar', snapshot, '/'], doing);
    else yield* verified(dump([...args, snapshot, `/${safeName(part.name)}`], doing), part, location);
  }

  async function checkTree(snapshot: string, part: Part, location: string, doing: Doing): Promise<void> {
    // restic takes no snapshot that is not what it is called by.
    if (part.sha256 === snapshot) return;
    const { stdout } = await restic.run(['snapshots', '--json', '--no-lock', snapshot], await key(), { doing });
    const tree = parseSnapshots(stdout)[0]?.tree;
    if (tree !== part.sha256)
      throw notThePart(part, location, `its tree is ${tree ?? 'gone'} instead of ${part.sha256}`);
  }

  return {
    manifest,
    forgetManifest: (location) => void known.delete(location),
    async *read(location, part, doing) {
      yield* readPart(await manifest(location, doing), location, part, [], doing);
    },
    async extract(location, part, { folder, only }, doing) {
      if ((await readdir(folder)).length > 0)
        throw new StewardError('CONFLICT', `${folder} is not empty.`, { hint: 'Name an empty folder.' });
      const snapshot = snapshotOf(await manifest(location, doing), part, location);
      const includes = (only ?? []).map((path) => `--include=${asPattern(path)}`);
      const args = [snapshot, `--target=${folder}`, ...includes];
      const restore = async (more: readonly string[]) => await restic.run(['restore', ...more], await key(), { doing });
      await restore(args).catch(async (thrown: unknown) => await restore(await withoutLock(thrown, args, doing)));
      for (const path of only ?? []) {
        if (!(await lstat(join(folder, path)).catch(() => undefined)))
          throw new StewardError('NOT_FOUND', `${path} is not in this copy.`, {
            hint: 'Browse the copy for what is in it.',
          });
      }
    },
    async *entries(location, part, doing) {
      const snapshot = snapshotOf(await manifest(location, doing), part, location);
      const listing = printedBy(async (take, stop) => {
        const signal = AbortSignal.any([doing.signal, stop]);
        await restic.stream(['ls', '--json', '--no-lock', snapshot], await key(), { doing: { signal } }, take);
      });
      for await (const line of linesOf(listing)) {
        const node = Node.safeParse(JSON.parse(line)).data;
        if (node) yield { path: node.path, kind: KINDS[node.type] ?? 'other', bytes: node.size };
      }
    },
    async check(location, doing): Promise<LayerResult> {
      const startedAt = performance.now();
      const told = progressOf(doing);
      const result = (ok: boolean, statement: string): LayerResult => ({
        layer: 'bytes',
        ok,
        statement,
        durationMs: performance.now() - startedAt,
      });
      try {
        // What lies in the cache of this machine proves nothing about the repository.
        const of = await readManifest(location, ['--no-cache'], doing);
        let bytes = 0;
        for (const part of of.parts) {
          if (part.kind === 'tree') await checkTree(snapshotOf(of, part, location), part, location, doing);
          for await (const chunk of readPart(of, location, part, ['--no-cache'], doing)) {
            bytes += chunk.length;
            told(chunk.length);
          }
        }
        return result(
          true,
          `All ${of.parts.length} parts were read again, ${bytes} bytes, and are what the manifest says.`,
        );
      } catch (thrown) {
        const damaged = thrown instanceof StewardError && thrown.code === 'VERIFICATION_FAILED';
        if (
          damaged ||
          (thrown instanceof ResticError && thrown.trouble === 'not-found' && (await isListed(location, doing)))
        )
          return result(false, thrown.message);
        throw thrown;
      }
    },
  };

  /** A copy that is listed and whose parts are not there is damaged; one that is not listed is none. */
  async function isListed(location: string, doing: Doing): Promise<boolean> {
    return await readManifest(location, [], doing).then(
      () => true,
      () => false,
    );
  }
}
