import { join } from 'node:path';
import type { SourceReader } from '../../../core/backup/reader.ts';
import { copyTree } from '../files/copy-tree.ts';
import { createFilesReader, type FilesReaderOptions } from '../files/index.ts';
import { expandPaths } from '../files/patterns.ts';
import { extractInto, structureOfTree } from '../files/prove-tree.ts';
import { undoTree } from '../files/undo-tree.ts';
import { lookAtLayer } from '../layer.ts';
import { makeScratch } from '../scratch.ts';
import { lookAtCertificates } from './look.ts';

const DAY_MS = 86_400_000;

/** Files with their modes and owners, of which it is known that they are certificates: each is read, and each key tried. */
export function createCertificatesReader(deps: FilesReaderOptions): SourceReader<'certificates'> {
  const files = createFilesReader(deps);
  const asFiles = <Source extends { readonly paths: string[] }>(source: Source) =>
    ({ ...source, kind: 'files', exclude: [] }) as const;
  return {
    kind: 'certificates',
    examine: (source, doing) => files.examine(asFiles(source), doing),

    async copy(source, writer, doing) {
      const { roots, nothing } = await expandPaths(source.paths);
      const tree = { name: source.name, part: 'certificates.tar', roots, exclude: [] };
      const copied = await copyTree(tree, writer, deps, doing);
      const gone = nothing.map((what) => ({ what, why: 'there is nothing of it' }));
      return { ...copied, leftOut: [...gone, ...copied.leftOut], tools: {} };
    },

    structure: (copy, doing) =>
      lookAtLayer('structure', async () => {
        const listed = await structureOfTree(copy, doing);
        if (!listed.ok) return listed;
        const folder = await makeScratch(deps.scratch, { kind: 'tree', owner: copy.manifest.copy });
        try {
          const root = join(folder.path, 'restored');
          await extractInto(copy, root, undefined, doing);
          const { certificates, keys, fitting, wrong } = await lookAtCertificates(root);
          const now = deps.now();
          const soonest = certificates.toSorted((one, other) => Number(one.expires) - Number(other.expires))[0];
          const days = soonest ? Math.floor((Number(soonest.expires) - Number(now)) / DAY_MS) : 0;
          const when = soonest
            ? `; the first to expire is ${soonest.path}, ${days >= 0 ? `in ${days} days` : `${-days} days ago`}`
            : '';
          const [first] = wrong;
          return {
            ok: first === undefined,
            statement:
              first === undefined
                ? `${certificates.length} certificates are readable, and ${fitting} of ${keys} keys fit one of them${when}.`
                : `${first}${wrong.length > 1 ? `, and ${wrong.length - 1} more` : ''}.`,
            evidence: certificates.slice(0, 100).map(({ path, names, expires }) => ({
              path,
              names,
              expires: expires.toISOString(),
            })),
          };
        } finally {
          await folder.remove();
        }
      }),

    sandbox: (source, copy, place, doing) => files.sandbox(asFiles(source), copy, place, doing),
    occupied: (source, copy, to, doing) => files.occupied(asFiles(source), copy, to, doing),
    restore: (source, copy, to, doing) => files.restore(asFiles(source), copy, to, doing),
    undo: (_, kept, doing) => undoTree(kept, doing),
    compares: files.compares,
    contents: (source, doing, copy) => files.contents(asFiles(source), doing, copy),
    // What is made for these carries the kind of a tree, as that of files does.
    sweep: files.sweep,
  };
}
