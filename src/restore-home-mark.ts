import { lstat, readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { syncFolder } from './adapters/repositories/durable.ts';
import { writeAtomically } from './config/write-atomically.ts';
import type { AuditEntry } from './core/audit.ts';
import { StewardError } from './core/errors.ts';
import { localActor } from './local-actor.ts';
import { pgHome } from './store/pg-home.ts';

export const RestoredHome = z.object({
  home: z.string(),
  copy: z.string(),
  repository: z.string(),
  snapshotAt: z.string(),
  proof: z.array(z.string()),
  runsEnded: z.number().int(),
  next: z.string(),
});
export type RestoredHome = z.output<typeof RestoredHome>;

const Mark = z.object({
  /** Files of this restore, from the home: named before they are there. What is not named was there before. */
  put: z.array(z.string()).default([]),
  /** What was made, written before the store takes its place: true from the moment it is there. */
  restored: RestoredHome.optional(),
});
type Mark = z.output<typeof Mark>;

/** There from the first file until the record tells of the restore. */
const MARK = 'restoring.json';

/** How far a restore into a home came: the store is the last that takes its place. */
export async function markOf(
  home: string,
): Promise<
  | { readonly is: 'none' }
  | { readonly is: 'half'; readonly put: readonly string[] }
  | { readonly is: 'whole'; readonly restored: RestoredHome | undefined }
> {
  const [text, store] = await Promise.all([
    readFile(join(home, MARK), 'utf8').catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR') return undefined;
      throw thrown;
    }),
    stat(pgHome(home).data).catch(() => undefined),
  ]);
  if (text === undefined) return { is: 'none' };
  const { put, restored } = Mark.parse(JSON.parse(text));
  return store ? { is: 'whole', restored } : { is: 'half', put };
}

/** HOME_UNUSABLE where a restore ended in its midst: a Steward that begins there would begin anew beside restored keys. */
export async function assertRestored(home: string): Promise<void> {
  if ((await markOf(home)).is !== 'half') return;
  throw new StewardError('HOME_UNUSABLE', `A restore into ${home} did not come to its end.`, {
    hint: `Run steward restore-home again: it begins anew. To begin without it, remove ${join(home, MARK)} and what it names.`,
  });
}

/** Where this Steward comes from, for the audit log. */
export function restoredEntry({ copy, repository, snapshotAt, runsEnded }: RestoredHome): AuditEntry {
  return {
    action: 'steward.restored',
    actor: localActor(),
    outcome: 'succeeded',
    from: 'local',
    detail: { copy, repository, snapshotAt, runsEnded },
  };
}

/** To be called once the record tells of it. Harmless twice. */
export async function forgetMark(home: string): Promise<void> {
  await rm(join(home, MARK), { force: true });
}

/** What a restore put into a home, so that it can be taken back, also by the next one. */
export interface Journal {
  /** Before they are there. CONFLICT where one of them is: nothing that was there before is replaced. */
  announce(paths: readonly string[]): Promise<void>;
  /** Removes what was announced: all of it, or what of these was. */
  takeBack(paths?: readonly string[]): Promise<void>;
  /** Before the store takes its place. */
  complete(restored: RestoredHome): Promise<void>;
}

/** Writes the mark, and takes back what a restore left that came to no end. */
export async function openJournal(home: string): Promise<Journal> {
  const before = await markOf(home);
  let put = before.is === 'half' ? before.put : [];
  const write = async (more: Partial<Mark> = {}): Promise<void> => {
    await writeAtomically(join(home, MARK), `${JSON.stringify({ put, ...more })}\n`);
    await syncFolder(home);
  };
  const journal: Journal = {
    async announce(paths) {
      for (const path of paths)
        if (await lstat(join(home, path)).catch(() => undefined))
          throw new StewardError('CONFLICT', `${join(home, path)} is there already, and is not replaced.`, {
            hint: 'Move it away and keep it, or restore to another folder: STEWARD_HOME=/another/folder.',
          });
      put = [...put, ...paths];
      await write();
    },
    async takeBack(some = put) {
      const paths = put.filter((path) => some.includes(path));
      if (paths.length === 0) return;
      for (const path of paths) await rm(join(home, path), { force: true });
      for (const folder of foldersOf(paths)) await rmdir(join(home, folder)).catch(() => undefined);
      const gone = new Set(paths);
      put = put.filter((path) => !gone.has(path));
      await write();
    },
    complete: (restored) => write({ restored }),
  };
  for (const name of await readdir(home)) if (name.startsWith(`${MARK}.`)) await rm(join(home, name), { force: true });
  await write();
  await journal.takeBack();
  return journal;
}

/** The folders of these files, the deepest first. */
function foldersOf(paths: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const path of paths)
    for (let folder = dirname(path); folder !== '.' && !folders.has(folder); folder = dirname(folder))
      folders.add(folder);
  return [...folders].toSorted((a, b) => b.length - a.length);
}
