import { startThread } from './thread.ts';

export interface ApartJob {
  readonly roots: readonly string[];
  readonly exclude: readonly string[];
  /** Those of the excludes of which a repository has to be told by path what they hit. */
  readonly named: readonly string[];
}

/** What of a tree is not copied as a file among files. */
export interface Apart {
  /** Sockets, pipes and devices, which no copy should have, and what else a repository has to be told by its path. */
  readonly specials: readonly string[];
  /** Files of SQLite, in the order of `byName`: while somebody writes there, their bytes are of no one instant. */
  readonly databases: readonly string[];
  /** Folders in which a server keeps its data, of which the same is true. */
  readonly servers: readonly { readonly path: string; readonly of: string }[];
}

export async function findApart(job: ApartJob, signal: AbortSignal): Promise<Apart> {
  for await (const found of startThread<Apart>('apart-thread.ts', job, signal).messages) return found;
  throw new Error('The look for what is kept apart in a tree broke off.');
}

/** Databases that are there now: these files, and those below these folders. */
export async function databasesIn(paths: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
  if (paths.length === 0) return [];
  return (await findApart({ roots: paths, exclude: [], named: [] }, signal)).databases;
}

/** Of what a copy is made of, in a plan. */
export const tellDatabase = (path: string): string => `${path} (SQLite, by its own backup)`;

/** Whether somebody may write in it, and what is to be done about that: in words for whoever reads a plan. */
export function tellServer({ path, of }: Apart['servers'][number]): { readonly what: string; readonly why: string } {
  return {
    what: path,
    why: `it is where ${of} keeps its data: copied while that runs, the files fit together by chance alone. Name it as a source of its own kind, or bring it to rest while it is copied (a volume: quiesce)`,
  };
}
