import { DatabaseSync } from 'node:sqlite';
import { live, perform, troubleOf, using, write } from '../../sources/sqlite/child-kit.ts';
import type { FileLook, FitnessJob, FitnessSaid } from './jobs.ts';
import { lookAtFile } from './look-at-file.ts';

const say: (said: FitnessSaid) => void = write;
/** So many entries of each index are read at most: statistics need no more, and a large file would take minutes. */
const ANALYSIS_LIMIT = 1_000;
/** Of tables that this connection did not ask for anything, too. */
const OPTIMIZE_ALL = 0x1_0002;
/** Pages that are given back in one transaction: writers come in between. */
const PAGES_AT_ONCE = 2_000;

await perform((given) => {
  const job = given as FitnessJob;
  if (job.do === 'look')
    return using(live(job.path, job.waitMs), (database) =>
      say({ said: 'look', look: lookAtFile(database, job.tables) satisfies FileLook }),
    );
  return using(new DatabaseSync(job.path, { timeout: job.waitMs }), (database) => {
    switch (job.do) {
      case 'analyze':
        return analyze(database, job.table);
      case 'free':
        return freePages(database);
      case 'vacuum':
        return vacuum(database);
      case 'checkpoint':
        return checkpoint(database);
      case 'settle':
        // Opening it for a question takes back what was left half done.
        return void database.prepare('select count(*) from sqlite_schema').get();
    }
  });
});

/** In one transaction that asks for its lock at once: where it does not come nothing was begun. */
function analyze(database: DatabaseSync, table: string | undefined): void {
  database.exec(`pragma analysis_limit = ${ANALYSIS_LIMIT}`);
  database.exec('begin immediate');
  database.exec(
    table === undefined ? `pragma optimize(${OPTIMIZE_ALL})` : `analyze main."${table.replaceAll('"', '""')}"`,
  );
  database.exec('commit');
}

function freePages(database: DatabaseSync): void {
  const free = (): number => Number(Object.values(database.prepare('pragma freelist_count').get() ?? {})[0]);
  const size = Number(Object.values(database.prepare('pragma page_size').get() ?? {})[0]);
  const all = free();
  for (let left = all; left > 0;) {
    try {
      database.exec('begin immediate');
      // Each row that it gives is one page: it works as far as it is read.
      database.prepare(`pragma incremental_vacuum(${PAGES_AT_ONCE})`).all();
      database.exec('commit');
    } catch (thrown) {
      if (left === all || troubleOf((thrown as { errcode?: number }).errcode ?? 0) !== 'locked') throw thrown;
      return say({ said: 'partly', why: `a writer came in between, and ${left} pages are still free` });
    }
    const now = free();
    if (now >= left) break;
    left = now;
    say({ said: 'step', bytes: (all - left) * size });
  }
  takeIn(database);
}

/** It keeps everybody else out from its first instant on, so whoever is in the way makes it fail before it begins. */
function vacuum(database: DatabaseSync): void {
  database.exec('vacuum');
  takeIn(database);
}

function checkpoint(database: DatabaseSync): void {
  const { busy } = database.prepare('pragma wal_checkpoint(truncate)').get() as { busy: number };
  if (busy !== 0) throw Object.assign(new Error('a reader or a writer needs its log'), { errcode: 5 });
}

/** With a write-ahead log the file gets shorter when the log is taken in. */
function takeIn(database: DatabaseSync): void {
  const { journal_mode: mode } = database.prepare('pragma journal_mode').get() as { journal_mode: string };
  if (mode !== 'wal') return;
  const { busy } = database.prepare('pragma wal_checkpoint(truncate)').get() as { busy: number };
  if (busy !== 0) say({ said: 'partly', why: 'a reader needs the log yet: the file gets shorter when it is taken in' });
}
