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
import type { Restic } from './program.ts';
import { parseSnapshots, SEAL, tagsOf } from './snapshots.ts';

/** The manifest with the snapshot of each part; one without content has none, for restic keeps no empty stream. */
export const StoredManifest = Manifest.extend({ snapshots: z.record(z.string(), z.string()) });
export type StoredManifest = z.output<typeof StoredManifest>;

/** restic had some files that it could not read; the rest is in the snapshot. */
const INCOMPLETE = 3;

export interface Session {
  readonly restic: Restic;
  readonly key: string;
  readonly copy: CopyName;
  readonly node: string;
  readonly holder: Holder;
  readonly doing: Doing;
  readonly log: Log;
  forget(snapshots: readonly string[]): Promise<void>;
}

export function createWriter(session: Session): CopyWriter {
  const { restic, key, copy, node, holder, doing, log } = session;
  const snapshots = new Map<string, string>();
  const names = new Set<string>();
  let state: 'open' | 'sealed' | 'abandoned' = 'open';

  const options = (part: string): string[] => [
    `--tag=${tagsOf({ copy: copy.id, source: copy.source, part, holder })}`,
    `--host=${node}`,
    // By Steward's own clock, in UTC, as the program's zone is.
    `--time=${copy.at.toISOString().slice(0, 19).replace('T', ' ')}`,
  ];

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
    const stored = await backup(
      restic,
      ['--stdin', `--stdin-filename=${safeName(name)}`, ...options(name)],
      key,
      // What restic has read is no more than what was measured here.
      { doing: { signal: doing.signal }, input: first },
    );
    snapshots.set(name, stored.snapshot);
    if (stored.bytes !== meter.bytes)
      throw notThePart({ name }, copy.id, `restic stored ${stored.bytes} of ${meter.bytes} bytes`);
    return { bytes: meter.bytes, sha256: meter.sha256(), storedBytes: stored.storedBytes };
  }

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
        const { storedBytes, ...is } = await store(name, content);
        return { name, kind, ...(database === undefined ? {} : { database }), ...is, storedBytes };
      }),
    tree: async ({ name }, { paths, exclude }) =>
      await keeping(name, async () => {
        const { snapshot, files, bytes, storedBytes, unreadable } = await backup(
          restic,
          ['--files-from-raw=-', ...exclude.map((pattern) => `--exclude=${excludePattern(pattern)}`), ...options(name)],
          key,
          { doing, input: nameList(paths), alsoFine: [INCOMPLETE] },
        );
        const { stdout } = await restic.run(['snapshots', '--json', '--no-lock', snapshot], key, { doing });
        const [found] = parseSnapshots(stdout);
        if (!found) throw notThePart({ name }, copy.id, `its snapshot ${snapshot} is not there`);
        snapshots.set(name, found.id);
        // restic's tree is the SHA-256 of everything below it.
        return { name, kind: 'tree', bytes, sha256: found.tree, storedBytes, files, unreadable, changed: [] };
      }),
    async seal(manifest) {
      const missing = manifest.parts.filter(({ name, bytes }) => !snapshots.has(name) && bytes > 0);
      if (missing.length > 0 || state !== 'open')
        throw new StewardError(
          'INTERNAL',
          `The copy ${copy.id} cannot be sealed: ${missing.map(({ name }) => name).join(', ') || state}.`,
        );
      const stored: StoredManifest = { ...manifest, snapshots: Object.fromEntries(snapshots) };
      const text = Buffer.from(`${JSON.stringify(stored, null, 2)}\n`);
      const { storedBytes } = await store(
        SEAL,
        (async function* () {
          yield text;
        })(),
      );
      state = 'sealed';
      return {
        location: safeName(copy.id),
        storedBytes: manifest.parts.reduce((sum, part) => sum + part.storedBytes, storedBytes),
      };
    },
    async abandon() {
      if (state !== 'open') return;
      state = 'abandoned';
      if (snapshots.size === 0) return;
      try {
        await session.forget([...snapshots.values()]);
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
