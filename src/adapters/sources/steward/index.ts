import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SourceFacts, SourceReader } from '../../../core/backup/reader.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { CopyWriter } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { writeContents } from '../contents.ts';
import { lookAtLayer } from '../layer.ts';
import { inOrder } from '../postgres/counting.ts';
import { sweepScratch } from '../scratch.ts';
import { endWorkersOf } from '../throw-away.ts';
import { listPart, packFolder } from './archive.ts';
import { homeFiles } from './home-files.ts';
import type { StewardDeps } from './own-state.ts';
import { HOME, homePart, KEYS, keysPart, partName, STORE, storePart } from './parts.ts';
import { unpackState } from './restored.ts';
import { sandboxOfState } from './sandbox.ts';
import { countStore } from './server.ts';
import { bytesOf, isKeyItem, liveFiles, makeStage, SCRATCH_KIND } from './stage.ts';

const STORE_SAID =
  'the store: runs with what they printed, events, the audit log, users; passwords and tokens are there only as hashes';

/** Without these a data folder of PostgreSQL is none. */
const ESSENTIAL = ['./PG_VERSION', './global/pg_control', './pg_hba.conf'];

/** Steward's own state, at one instant: its store as a data folder at rest, the files of its home, and its keys. */
export function createStewardReader(deps: StewardDeps): SourceReader<'steward'> {
  const { own, programs } = deps;
  return {
    kind: 'steward',

    async examine({ keys }): Promise<SourceFacts> {
      const [store, files] = await Promise.all([own.store(), homeFiles(own.home, own.never())]);
      const named = `keys (${topOf(files.keys).join(', ')})`;
      return {
        parts: [
          ...(store ? [STORE_SAID] : []),
          `files of the home: ${topOf(files.state).join(', ')}`,
          ...(keys === 'never' ? [] : [keys === 'always' ? named : `where the repository is encrypted, ${named}`]),
        ],
        leftOut: [
          ...(keys === 'always' ? [] : [{ what: named, why: whyNoKeys(keys) }]),
          ...(store ? [] : [{ what: 'the store', why: 'it is a PostgreSQL of yours, and a source of its own' }]),
          { what: 'secrets that the configuration only refers to', why: 'they are somewhere else; keep them there' },
        ],
        estimatedBytes: store ? await bytesOf(store.data) : 0,
        tools: store ? { postgres: store.version } : {},
      };
    },

    async copy({ name, keys }, writer, doing) {
      const stage = await makeStage(deps, name, doing);
      const path = (part: string): string => join(stage.folder.path, part);
      try {
        const withKeys = stage.keys.length > 0 && mayTakeKeys(keys, writer);
        const store = await own.store();
        const folders = [...(store ? [STORE] : []), HOME, ...(withKeys ? [KEYS] : [])];
        const parts = [];
        for (const folder of folders)
          parts.push(await packFolder({ programs, writer, folder: path(folder), name: partName(folder) }, doing));
        const items = withKeys ? stage.items : stage.items.filter((item) => !isKeyItem(item));
        const { part, contents } = await writeContents(writer, inOrder(items));
        return {
          snapshotAt: stage.snapshotAt,
          parts: [...parts, part],
          contents,
          leftOut: withKeys ? [] : [{ what: `keys (${topOf(stage.keys).join(', ')})`, why: whyNoKeys(keys) }],
          tools: { ...(store && { postgres: store.version }), configuration: own.configuration() },
        };
      } finally {
        await stage.folder.remove();
      }
    },

    structure: (copy, doing) =>
      lookAtLayer('structure', async () => {
        const part = storePart(copy);
        const store = new Set(part ? await listPart({ programs, copy, part }, doing) : ESSENTIAL);
        const missing = ESSENTIAL.filter((name) => !store.has(name));
        const rest = [homePart(copy), keysPart(copy)].filter((part) => part !== undefined);
        let files = 0;
        for (const each of rest) files += (await listPart({ programs, copy, part: each }, doing)).length;
        return missing.length > 0
          ? { ok: false, statement: `The store lacks ${missing.join(', ')}.` }
          : {
              ok: true,
              statement: `The home has ${files} files and folders${part ? `, its store ${store.size}` : ''}.`,
            };
      }),

    sandbox: (_, copy, place, doing) => sandboxOfState(deps, copy, place, doing),

    async occupied(_source, _copy, to) {
      const path = folderOf(to);
      return (await readdir(path).catch(() => [])).map((name) => join(path, name));
    },

    async restore(_source, copy, to, doing) {
      const started = performance.now();
      const path = folderOf(to);
      if ((await readdir(path).catch(() => [])).length > 0)
        throw new StewardError('CONFLICT', `${path} is not empty.`, {
          hint: 'Name a folder that is, or does not exist.',
        });
      await unpackState({ copy, programs, into: path }, doing);
      const what = (await readdir(path)).toSorted().map((name) => join(path, name));
      return { what, durationMs: performance.now() - started };
    },

    async *contents(_source, doing) {
      const store = await own.store();
      yield* inOrder([...(store ? await countStore(store.access, doing) : []), ...(await liveFiles(own, doing))]);
    },

    sweep: (owners, scratch) =>
      sweepScratch(scratch, SCRATCH_KIND, owners, (folder) => endWorkersOf(join(folder, STORE), 'SIGQUIT')),
  };
}

function mayTakeKeys(keys: SourceOf<'steward'>['keys'], { encrypted }: CopyWriter): boolean {
  return keys === 'always' || (keys === 'encrypted' && encrypted);
}

function whyNoKeys(keys: SourceOf<'steward'>['keys']): string {
  return keys === 'never'
    ? 'the configuration says so; the recovery kit has them'
    : 'not in repositories that are not encrypted; the recovery kit has them';
}

/** The first names of paths, each once. */
function topOf(paths: readonly string[]): string[] {
  return [...new Set(paths.map((path) => path.split('/')[0] ?? ''))];
}

function folderOf(to: Parameters<SourceReader['restore']>[2]): string {
  if (to.kind === 'folder') return to.path;
  if (to.kind === 'database')
    throw new StewardError('INPUT_INVALID', 'Steward itself is not restored into a database.', {
      hint: 'Give a folder; steward restore-home makes a home of a copy.',
    });
  throw new StewardError('PRECONDITION_FAILED', 'A Steward that runs is not replaced by a copy of itself.', {
    hint: 'On a machine without one: steward restore-home. To look at a copy: steward backup extract --folder.',
  });
}
