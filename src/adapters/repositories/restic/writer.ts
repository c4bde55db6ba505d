import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Manifest, type Part } from '../../../core/backup/copy.ts';
import type { Bytes, CopyName, CopyWriter, Doing } from '../../../core/backup/store.ts';
import { z } from 'zod';
import { StewardError } from '../../../core/errors.ts';
import type { Log } from '../../../core/log.ts';
import type { Holder } from '../holder.ts';
import { createMeter, notThePart } from '../measured.ts';
import { safeName } from '../../../core/backup/names.ts';
import { progressOf } from '../told-progress.ts';
import { backup } from './backup.ts';
import { createHeld } from './held.ts';
import type { Restic } from './program.ts';
import { parseSnapshots, SEAL, tagsOf } from './snapshots.ts';
import { startWaiting, type Waiting } from './waiting.ts';

/** The manifest with the snapshot of each part; one without content has none, for restic keeps no empty stream. */
export const StoredManifest = Manifest.extend({
  snapshots: z.record(z.string(), z.string()),
  held: z.record(z.string(), z.string()).default({}),
});
export type StoredManifest = z.output<typeof StoredManifest>;

/** restic had some files that it could not read; the rest is in the snapshot. */
const INCOMPLETE = 3;

export interface Session {
  readonly restic: Restic;
  readonly key: string;
  /** Where the repository is, if it is on this machine. */
  readonly folder: string | undefined;
  /** On a disk of its own. */
  readonly near: boolean;
  readonly copy: CopyName;
  readonly node: string;
  readonly holder: Holder;
  readonly doing: Doing;
  readonly log: Log;
  forget(snapshots: readonly string[]): Promise<void>;
  /** Forgets what this process made of the copy, unless it is whole. */
  takeBack(): Promise<void>;
}

export function createWriter(session: Session): CopyWriter {
  const { restic, key, folder, near, copy, node, holder, doing, log } = session;
  const snapshots = new Map<string, string>();
  const held = createHeld();
  const names = new Set<string>();
  /** Whether anything can be there of it. */
  let begun = false;
  let waiting: Waiting | undefined;
  let state: 'open' | 'sealed' | 'abandoned' = 'open';

  const options = (part: string): string[] => [
    `--tag=${tagsOf({ copy: copy.id, source: copy.source, at: copy.at, part, holder })}`,
    `--host=${node}`,
    // By Steward's own clock, in UTC, as the program's zone is.
    `--time=${copy.at.toISOString().slice(0, 19).replace('T', ' ')}`,
    ...(near ? ['--no-cache'] : []),
  ];

  /**
   * What seals it opens the repository beside the part that takes long. Not earlier: from then on nothing is forgotten there by
   * anybody, which is so anyway while that part is kept.
   */
  function beginSeal(): void {
    begun = true;
    waiting ??= startWaiting(restic, asFile(SEAL), key, doing);
  }

  const asFile = (name: string): string[] => [`--stdin-filename=${safeName(name)}`, ...options(name)];

  function take(name: string): void {
    if (state !== 'open') throw new StewardError('INTERNAL', `The copy ${copy.id} is ${state}: no part can follow.`);
    if (names.has(name) || name === SEAL)
      throw new StewardError('CONFLICT', `The copy ${copy.id} has a part ${name} already.`);
    names.add(name);
  }

  /** Ends with a snapshot, or without one where the content broke off: restic is ended before it sees an end. */
  async function store(name: string, content: Bytes): Promise<{ bytes: number; sha256: string; storedBytes: number }> {
    const meter = createMeter(progressOf(doing));
    const first = await firstOf(meter.through(content));
    if (!first) return { bytes: 0, sha256: meter.sha256(), storedBytes: 0 };
    begun = true;
    const stored = await backup(restic, ['--stdin', ...asFile(name)], key, {
      // What restic has read is no more than what was measured here.
      doing: { signal: doing.signal },
      input: first,
    });
    snapshots.set(name, stored.snapshot);
    if (stored.bytes !== meter.bytes) throw keptOther(name, stored.bytes, meter.bytes);
    return { bytes: meter.bytes, sha256: meter.sha256(), storedBytes: stored.storedBytes };
  }

  async function hold(name: string, content: Bytes): Promise<Omit<Part, 'name' | 'kind'>> {
    const taken = await held.take(name, content);
    return 'instead' in taken ? await store(name, taken.instead) : taken;
  }

  /** restic tells the beginning of it. A snapshot is called by the SHA-256 of what names its tree, which is that of all below. */
  async function identityOf(name: string, snapshot: string): Promise<{ id: string; sha256: string }> {
    const there = folder === undefined ? [] : await readdir(join(folder, 'snapshots')).catch(() => []);
    const [file, ...others] = there.filter((one) => one.startsWith(snapshot));
    if (file !== undefined && others.length === 0) return { id: file, sha256: file };
    const { stdout } = await restic.run(['snapshots', '--json', '--no-lock', snapshot], key, { doing });
    const [found] = parseSnapshots(stdout);
    if (!found) throw notThePart({ name }, copy.id, `its snapshot ${snapshot} is not there`);
    return { id: found.id, sha256: found.tree };
  }

  const keptOther = (name: string, kept: number, of: number): StewardError =>
    notThePart({ name }, copy.id, `restic stored ${kept} of ${of} bytes`);

  async function keeping<T>(name: string, work: () => Promise<T>): Promise<T> {
    take(name);
    try {
      return await work();
    } catch (thrown) {
      names.delete(name);
      if (doing.signal.aborted)
        throw new StewardError('CANCELED', `The copy ${copy.id} was canceled.`, { cause: thrown });
      throw thrown;
    }
  }

  return {
    encrypted: true,
    part: async ({ name, kind, database }, content) =>
      await keeping(name, async (): Promise<Part> => {
        if (kind === 'dump') beginSeal();
        const { storedBytes, ...is } = await (kind === 'contents' ? hold(name, content) : store(name, content));
        return { name, kind, ...(database === undefined ? {} : { database }), ...is, storedBytes };
      }),
    tree: async ({ name }, { paths, exclude }) =>
      await keeping(name, async () => {
        beginSeal();
        const { snapshot, files, bytes, storedBytes, unreadable } = await backup(
          restic,
          ['--files-from-raw=-', ...exclude.map((pattern) => `--exclude=${excludePattern(pattern)}`), ...options(name)],
          key,
          { doing, input: nameList(paths), alsoFine: [INCOMPLETE] },
        );
        const { id, sha256 } = await identityOf(name, snapshot);
        snapshots.set(name, id);
        return { name, kind: 'tree', bytes, sha256, storedBytes, files, unreadable, changed: [] };
      }),
    async drop(part) {
      const snapshot = snapshots.get(part);
      for (const each of [snapshots, names]) each.delete(part);
      held.drop(part);
      if (snapshot === undefined) return;
      // Nothing is forgotten while somebody is at work there, and that would be we.
      await waiting?.letGo();
      await session.forget([snapshot]).catch((thrown: unknown) => {
        // No manifest names it, and it goes with the copy.
        log.warn('a part that was taken back stays for now', {
          copy: copy.id,
          problem: StewardError.from(thrown).message,
        });
      });
    },
    async seal(manifest) {
      const missing = manifest.parts.filter(({ name, bytes }) => !snapshots.has(name) && !held.has(name) && bytes > 0);
      if (missing.length > 0 || state !== 'open')
        throw new StewardError(
          'INTERNAL',
          `The copy ${copy.id} cannot be sealed: ${missing.map(({ name }) => name).join(', ') || state}.`,
        );
      const text = held.inside({ ...manifest, snapshots: Object.fromEntries(snapshots) });
      if (!waiting?.there) waiting = startWaiting(restic, asFile(SEAL), key, doing);
      const kept = await waiting.give(text);
      if (kept.bytes !== text.length) throw keptOther(SEAL, kept.bytes, text.length);
      state = 'sealed';
      return {
        location: safeName(copy.id),
        storedBytes: manifest.parts.reduce((sum, part) => sum + part.storedBytes, kept.storedBytes),
      };
    },
    async abandon() {
      if (state !== 'open') return;
      state = 'abandoned';
      if (!begun) return;
      await waiting?.letGo();
      try {
        await session.takeBack();
      } catch (thrown) {
        // Not listed, and swept when nobody works there.
        log.warn('parts of an abandoned copy stay for now', {
          copy: copy.id,
          problem: StewardError.from(thrown).message,
        });
      }
    },
  };
}

/** The content with its first chunk looked at; undefined where there is none. */
async function firstOf(content: AsyncGenerator<Uint8Array>): Promise<AsyncGenerator<Uint8Array> | undefined> {
  let first = await content.next();
  while (first.done !== true && first.value.length === 0) first = await content.next();
  if (first.done === true) return undefined;
  const { value } = first;
  return (async function* () {
    yield value;
    yield* content;
  })();
}

async function* nameList(paths: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const path of paths) yield Buffer.from(`${path}\0`);
}

/** For restic ! at the beginning takes an exclude back; a name may begin with it. */
function excludePattern(pattern: string): string {
  const plain = pattern.replace(/(?<=.)\/+$/, '');
  return plain.startsWith('!') ? `\\${plain}` : plain;
}
