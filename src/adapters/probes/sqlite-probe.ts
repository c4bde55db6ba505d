import { stat } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { ProbeResult, TargetOf } from '../../core/check.ts';
import { readProc } from '../procfs/read.ts';
import { judgeDatabase } from './database-trouble.ts';
import { errorCode } from './network-failure.ts';
import { type ProbeOptions, peerText, saw } from './result.ts';
import { type Inodes, writerOf } from './sqlite-locks.ts';

type SqliteTarget = TargetOf<'sqlite'>;

const BUSY = 5;
const CORRUPT = 11;
const NOT_A_DATABASE = 26;
/** As any reader, of a write-ahead log that is in use; else, and where that would have to write, as if nobody wrote: no trace is left. */
const AS_READER = '?mode=ro&readonly_shm=1';
const AS_IF_ALONE = '?mode=ro&immutable=1';
const SAMPLES = 5;
const SAMPLE_GAP_MS = 60;

/**
 * Reads the header and sees who holds the lock, and changes nothing: whether one could write is not tried. A writer that
 * holds on through every sample of a look, and of the looks after it, has not let go.
 */
export function createSqliteProbe(
  monotonic: () => number = () => performance.now(),
  locks = (): string => readProc('/proc/locks') ?? '',
) {
  const held = new WeakMap<SqliteTarget, { readonly writer: number; readonly since: number }>();

  return async (target: SqliteTarget, options: ProbeOptions): Promise<ProbeResult> => {
    const startedAt = performance.now();
    let inodes: Inodes;
    try {
      const info = await stat(target.path);
      if (!info.isFile()) return saw('down', 'presence', `${target.path} is no file`, startedAt);
      inodes = { database: info.ino, shm: (await stat(`${target.path}-shm`).catch(() => undefined))?.ino };
    } catch (thrown) {
      const code = errorCode(thrown);
      if (code === 'ENOENT') return saw('down', 'presence', `${target.path} does not exist`, startedAt, { code });
      return saw('unknown', 'presence', `Steward cannot look at ${target.path} (${code})`, startedAt, { code });
    }
    const read = readHeader(target.path, inodes.shm === undefined ? [AS_IF_ALONE] : [AS_READER, AS_IF_ALONE]);
    if (read === 'corrupt') return saw('down', 'query', `${target.path} is damaged or no SQLite database`, startedAt);
    if (read !== 'ok' && read !== 'busy')
      return saw('unknown', 'presence', `${target.path} cannot be read: ${peerText(read.said)}`, startedAt);
    const writer = await steadyWriter(inodes, read === 'busy');
    const before = held.get(target);
    if (writer === undefined) held.delete(target);
    else if (before?.writer !== writer) held.set(target, { writer, since: monotonic() });
    const lockWaitMs = writer === undefined ? 0 : monotonic() - (held.get(target)?.since ?? monotonic());
    return judgeDatabase(
      read === 'busy' ? 'it exists, and is locked against readers at the moment' : 'its header can be read',
      { lockWaitMs, waiting: 0, blockers: writer ? [`pid ${writer}`] : [] },
      target,
      startedAt,
      options,
    );
  };

  /** The one process that has the lock in all samples; 0 where somebody has, and who is not known. */
  async function steadyWriter(inodes: Inodes, busy: boolean): Promise<number | undefined> {
    const first = writerOf(inodes, locks());
    if (first === undefined) return busy ? 0 : undefined;
    for (let sample = 1; sample < SAMPLES; sample += 1) {
      await sleep(SAMPLE_GAP_MS);
      if (writerOf(inodes, locks()) !== first) return undefined;
    }
    return first;
  }
}

function readHeader(path: string, ways: readonly string[]): 'ok' | 'busy' | 'corrupt' | { readonly said: string } {
  let said = '';
  for (const way of ways) {
    try {
      const database = new DatabaseSync(new URL(pathToFileURL(path).href + way), { readOnly: true, timeout: 0 });
      try {
        database.prepare('pragma schema_version').get();
        return 'ok';
      } finally {
        database.close();
      }
    } catch (thrown) {
      const { errcode = 0, message } = thrown as { errcode?: number; message: string };
      // The lower byte is the kind of the error.
      if ((errcode & 0xff) === BUSY) return 'busy';
      if ((errcode & 0xff) === CORRUPT || (errcode & 0xff) === NOT_A_DATABASE) return 'corrupt';
      said = message;
    }
  }
  return { said };
}
