import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FitnessTask, TaskDone } from '../../../core/database/task.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { openIn } from '../../sources/sqlite/holders.ts';
import { makeScratch } from '../../sources/scratch.ts';
import type { FileLook, FitnessJob, FitnessSaid } from './jobs.ts';

export interface Reach {
  readonly path: string;
  readonly waitMs: number;
  readonly scratch: string;
  readonly owner: string;
  ask(
    job: FitnessJob,
    hear: (said: FitnessSaid) => void,
    signal: AbortSignal,
    temporary?: string,
  ): Promise<{ readonly version: string }>;
  look(path: string, signal: AbortSignal): Promise<FileLook>;
}

const SETTLES_WITHIN_MS = 60_000;
const TOLD_HOLDERS = 3;

export async function performOn(reach: Reach, task: FitnessTask, doing: Doing): Promise<TaskDone> {
  const started = performance.now();
  const [before, log] = await sizesOf(reach.path);
  const { how, locks = [] } = await perform(reach, task, doing);
  const [after, logAfter] = await sizesOf(reach.path);
  const cut = task.kind === 'checkpoint';
  return {
    durationMs: performance.now() - started,
    beforeBytes: cut ? log : before,
    afterBytes: cut ? logAfter : after,
    how,
    locks,
  };
}

type Way = Pick<TaskDone, 'how'> & Partial<Pick<TaskDone, 'locks'>>;

async function perform(reach: Reach, task: FitnessTask, doing: Doing): Promise<Way> {
  switch (task.kind) {
    case 'analyze':
      await said(reach, { do: 'analyze', table: task.object }, doing);
      return { how: task.object === undefined ? 'PRAGMA optimize' : `ANALYZE ${task.object}` };
    case 'vacuum':
      return await freePages(reach, doing);
    case 'rebuild':
      return await rebuild(reach, doing);
    case 'checkpoint':
      await said(reach, { do: 'checkpoint' }, doing);
      return { how: 'PRAGMA wal_checkpoint(TRUNCATE)' };
    case 'reindex':
    case 'drop-invalid-index':
    case 'defragment':
      throw new StewardError('INPUT_INVALID', `SQLite knows no ${task.kind}.`, {
        hint: 'It knows analyze, vacuum, rebuild and checkpoint.',
      });
  }
}

async function freePages(reach: Reach, doing: Doing): Promise<Way> {
  const { freePages: free, autoVacuum } = await reach.look(reach.path, doing.signal);
  if (free === 0) return { how: 'no page is free, so nothing was done' };
  if (autoVacuum !== 'incremental')
    throw new StewardError(
      'PRECONDITION_FAILED',
      `${reach.path} gives single pages back only where auto_vacuum is incremental, and it is ${autoVacuum}.`,
      { hint: 'A rebuild gives them back. To change it: PRAGMA auto_vacuum = incremental; VACUUM;' },
    );
  const notes = await said(reach, { do: 'free' }, doing);
  return { how: ['PRAGMA incremental_vacuum', ...notes].join('; ') };
}

/**
 * VACUUM, in the file itself: owner, mode and whoever has it open stay. It writes the content anew beside it and then over it,
 * with what it replaces in a journal, so an end at any instant, a full disk included, leaves the old content.
 */
async function rebuild(reach: Reach, doing: Doing): Promise<Way> {
  const { path, scratch, owner } = reach;
  const { freePages: free, pages, pageSize, journal } = await reach.look(path, doing.signal);
  if (free === 0) return { how: 'no page is free, so nothing was done' };
  const copyBytes = (pages - free) * pageSize;
  // What is replaced is kept in the journal until all is written; with a write-ahead log the new content is there first.
  const beside = journal === 'wal' ? copyBytes : pages * pageSize;
  await assertRoom(dirname(path), beside + ((await sameDisk(dirname(path), scratch)) ? copyBytes : 0));
  const folder = await makeScratch(scratch, { kind: 'vacuum', owner, room: copyBytes });
  const started = performance.now();
  try {
    const notes = await said(reach, { do: 'vacuum' }, doing, folder.path);
    const heldMs = performance.now() - started;
    const { holders } = (await openIn([path]))[0] ?? { holders: [] };
    if (holders.length > 0)
      notes.push(`it was open in ${holders.slice(0, TOLD_HOLDERS).join(', ')}, where writes waited`);
    // Readers of a write-ahead log are not held up.
    const mode = journal === 'wal' ? 'write lock' : 'exclusive';
    return { how: ['VACUUM', ...notes].join('; '), locks: [{ table: 'the whole file', mode, heldMs }] };
  } catch (thrown) {
    // One that was cut short has left a journal: until somebody who may write opens the file, who may only read it cannot.
    await said(reach, { do: 'settle' }, { signal: AbortSignal.timeout(SETTLES_WITHIN_MS) }).catch(() => undefined);
    throw thrown;
  } finally {
    await folder.remove();
  }
}

async function said(
  { ask, path, waitMs }: Reach,
  job: Pick<Exclude<FitnessJob, { do: 'look' }>, 'do' | 'table'>,
  { signal, progress }: Doing,
  temporary?: string,
): Promise<string[]> {
  const notes: string[] = [];
  const hear = (one: FitnessSaid): void => {
    if (one.said === 'partly') notes.push(one.why);
    if (one.said === 'step') progress?.({ bytes: one.bytes, message: 'giving free pages back' });
  };
  await ask({ ...job, path, waitMs }, hear, signal, temporary);
  return notes;
}

async function sizesOf(path: string): Promise<[file: number, log: number]> {
  const sizes = [path, `${path}-wal`].map(async (each) => (await stat(each).catch(() => undefined))?.size ?? 0);
  return (await Promise.all(sizes)) as [number, number];
}

async function sameDisk(one: string, other: string): Promise<boolean> {
  const device = async (path: string): Promise<number | undefined> => (await stat(path).catch(() => undefined))?.dev;
  const there = await device(other);
  return there === undefined || there === (await device(one));
}

async function assertRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  throw new StewardError(
    'DISK_FULL',
    `The disk of ${folder} has ${bavail * bsize} bytes free, and a rebuild needs ${bytes} there for a while.`,
    { hint: 'Free some space there. Nothing was changed.' },
  );
}
