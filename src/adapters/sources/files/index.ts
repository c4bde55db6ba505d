import type { SourceReader } from '../../../core/backup/reader.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { SourceDeps } from '../deps.ts';
import { sweepScratch } from '../scratch.ts';
import { findApart, tellDatabase, tellServer } from './apart.ts';
import { contentsOfTree } from './contents-now.ts';
import { copyTree, createLeftOut } from './copy-tree.ts';
import { expandPaths } from './patterns.ts';
import { comparesTree, sandboxOfTree, structureOfTree } from './prove-tree.ts';
import { occupiedByTree, restoreTree } from './restore-tree.ts';
import { scan } from './scan.ts';
import { undoTree } from './undo-tree.ts';

export interface FilesReaderOptions extends SourceDeps {
  /** Paths that are never copied: the repositories themselves, what is needed only for a while. */
  readonly never?: (() => readonly string[]) | undefined;
}

/** Files and folders as they are. Each file is whole or it is told; together they are not of one instant, as no files are. */
export function createFilesReader(deps: FilesReaderOptions): SourceReader<'files'> {
  const excludes = ({ exclude }: Pick<SourceOf<'files'>, 'exclude'>): readonly string[] => [
    ...exclude,
    deps.scratch,
    ...(deps.never?.() ?? []),
  ];
  return {
    kind: 'files',

    async examine(source, { signal }) {
      const { roots, nothing } = await expandPaths(source.paths);
      const out = createLeftOut();
      for (const pattern of nothing) out.add({ what: pattern, why: 'there is nothing of it' });
      let bytes = 0;
      const job = { roots, exclude: excludes(source), hash: false } as const;
      const { databases, servers } = await findApart({ ...job, named: [] }, signal);
      for await (const { count } of scan(job, signal, out.add)) bytes += count;
      for (const server of servers) out.add(tellServer(server));
      return {
        parts: [...roots, ...databases.map(tellDatabase)],
        leftOut: out.list(),
        estimatedBytes: bytes,
        tools: {},
        ...(roots.length === 0 && {
          problem: {
            message: `None of the paths of ${source.name} leads to anything.`,
            hint: 'Correct them. * stands for a part of a name, ** for any number of folders.',
          },
        }),
      };
    },

    async copy(source, writer, doing) {
      const { roots, nothing } = await expandPaths(source.paths);
      const tree = { name: source.name, part: 'files.tar', roots, exclude: excludes(source) };
      const copied = await copyTree(tree, writer, deps, doing);
      const gone = nothing.map((what) => ({ what, why: 'there is nothing of it' }));
      return { ...copied, leftOut: [...gone, ...copied.leftOut], tools: {} };
    },

    structure: structureOfTree,
    sandbox: (_, copy, place, doing) => sandboxOfTree(copy, place, doing),
    occupied: (_, copy, to, doing) => occupiedByTree(copy, to, doing),
    restore: (_, copy, to, doing) => restoreTree(copy, to, deps, doing),
    undo: (_, kept, doing) => undoTree(kept, doing),
    // A restore leaves alone what was not in the copy.
    compares: { ...comparesTree, mayAdd: true },

    async *contents(source, doing, copy) {
      const { roots } = await expandPaths(source.paths);
      yield* contentsOfTree({ name: source.name, roots, exclude: excludes(source) }, copy, deps, doing);
    },

    sweep: (owners, scratch) => sweepScratch(scratch, 'tree', owners),
  };
}
