import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type Bounds, createLineFiles, type LineFile } from './line-files.ts';
import type { SearchData } from './log-search.ts';
import { lastRecords } from './log-tail.ts';
import { type AccessRecord, isToBeExplained, type UnjudgedRecord } from './record.ts';
import { timeOfId } from './request-ids.ts';
import { within } from './within.ts';

/** A line for each request. What was refused or failed has files of its own: what went well does not push it out. */
export interface AccessLog {
  /** Costs a push to a list. Where the disk does not keep up, lines are dropped and counted. */
  write(record: AccessRecord | UnjudgedRecord): void;
  /** The line about a request. A thread of its own looks for it: this one serves. */
  find(id: string): Promise<unknown>;
  /** What was refused or failed last, the latest first. */
  refused(limit: number): Promise<unknown[]>;
  readonly dropped: number;
  tidy(): Promise<void>;
  flush(): Promise<void>;
  close(): Promise<void>;
}

const MB = 1024 * 1024;
const BOUNDS: Bounds = { fileBytes: 32 * MB, keepBytes: 256 * MB, keepMs: 14 * 24 * 60 * 60_000 };
const FIND_MS = 30_000;
/** As in bin/steward.js: each thread compiles its code anew otherwise. */
const COMPILED = join(import.meta.dirname, '../../../node_modules/.cache/steward-compiled');

export function createAccessLog({
  folder,
  now,
  log,
  bounds = BOUNDS,
  findMs = FIND_MS,
}: {
  readonly folder: string;
  readonly now: () => Date;
  readonly log: Log;
  readonly bounds?: Bounds;
  readonly findMs?: number;
}): AccessLog {
  const refused = createLineFiles({ folder, kind: 'refused', bounds, now, log });
  const passed = createLineFiles({ folder, kind: 'access', bounds, now, log });
  const both = [refused, passed];
  let finding: Promise<unknown> = Promise.resolve();

  const all = async (work: (files: typeof refused) => Promise<void>): Promise<void> =>
    void (await Promise.all(both.map(work)));

  async function toSearch(id: string): Promise<SearchData> {
    await all((files) => files.flush());
    const listed = await Promise.all(both.map(async (files) => nearest(await files.list(), timeOfId(id))));
    return { paths: listed.flat().map(({ path }) => path), id };
  }

  /** One after the other: whoever asks for many does not get as many threads. */
  function find(id: string): Promise<unknown> {
    const asked = performance.now();
    finding = finding
      .catch(() => undefined)
      .then(async () => {
        if (performance.now() - asked >= findMs) throw new Error('nobody waits for it any more');
        return await searchApart(await within(findMs, toSearch(id)), findMs);
      });
    return finding;
  }

  async function lastRefused(limit: number): Promise<unknown[]> {
    await refused.flush();
    return await lastRecords(
      (await refused.list()).map(({ path }) => path),
      limit,
    );
  }

  /** Whatever the disk does. */
  async function answered<T>(work: Promise<T>): Promise<T> {
    try {
      return await within(findMs, work);
    } catch (thrown) {
      throw new StewardError('UNAVAILABLE', `The access log could not be searched: ${(thrown as Error).message}.`, {
        hint: 'Ask again. If it stays so, look at the disk that has the home of Steward.',
        cause: thrown,
      });
    }
  }

  return {
    write: (record) => (isToBeExplained(record) ? refused : passed).write(record),
    find: (id) => answered(find(id)),
    refused: (limit) => answered(lastRefused(limit)),
    get dropped() {
      return refused.dropped + passed.dropped;
    },
    tidy: () => all((files) => files.tidy()),
    flush: () => all((files) => files.flush()),
    close: () => all((files) => files.close()),
  };
}

/**
 * Where it was written soon after that time first, then where it ended later, and where it could only be if a clock was put back
 * last. Without a time the newest first.
 */
function nearest(files: readonly LineFile[], time: number | undefined): readonly LineFile[] {
  if (time === undefined) return files;
  const later = files.filter(({ until }) => until >= time).toReversed();
  return [...later, ...files.filter(({ until }) => until < time)];
}

async function searchApart(data: SearchData, ms: number): Promise<unknown> {
  const worker = new Worker(new URL('log-search-thread.ts', import.meta.url), {
    workerData: data,
    execArgv: [],
    // It needs nothing else of the environment.
    env: { NODE_COMPILE_CACHE: COMPILED },
  });
  worker.unref();
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  worker.once('message', ({ record }: { readonly record: unknown }) => resolve(record));
  worker.once('error', reject);
  worker.once('exit', () => reject(new Error('the search ended')));
  try {
    return await within(ms, promise);
  } finally {
    // In the disk nobody can wake it; it ends when that answers.
    void worker.terminate();
  }
}
