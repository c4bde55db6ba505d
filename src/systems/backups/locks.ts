import { keepsRemoved, type Locks, type ObjectLock } from '../../core/backup/object-lock.ts';
import { StewardError } from '../../core/errors.ts';
import type { BackupsDeps } from './deps.ts';

/** The watch asks more often than this. */
const FRESH_MS = 15 * 60_000;
const ASK_MS = 10_000;
/** A bucket with a million objects is looked at for longer: then who asks the next time is told. */
const LOOK_MS = 60_000;

export interface LockLooks {
  /** What each bucket said last: it is asked where that is long ago. What did not answer is unknown, and so not safe. */
  known(): Promise<Locks>;
  /** Asks now; rejects where nobody answers. */
  ask(name: string, signal: AbortSignal): Promise<ObjectLock | undefined>;
}

export function createLockLooks({ backups, now }: Pick<BackupsDeps, 'backups' | 'now'>): LockLooks {
  const said = new Map<string, { readonly at: number; readonly lock: ObjectLock }>();

  /** One that is configured anew is another one. */
  const keyOf = (name: string): string => JSON.stringify(backups.repositories().find((each) => each.name === name));

  async function ask(name: string, signal: AbortSignal): Promise<ObjectLock | undefined> {
    const key = keyOf(name);
    const lock = await backups.objectLock(name, { signal: AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]) });
    if (lock) said.set(key, { at: now().getTime(), lock });
    return lock;
  }

  async function known(name: string): Promise<ObjectLock> {
    const key = keyOf(name);
    const last = said.get(key);
    const age = last ? now().getTime() - last.at : undefined;
    if (last && age !== undefined && age >= 0 && age < FRESH_MS) return last.lock;
    try {
      return (await ask(name, AbortSignal.timeout(ASK_MS))) ?? unanswered('it is not asked');
    } catch (thrown) {
      const { message, hint } = StewardError.from(thrown);
      const lock = unanswered(message, hint);
      // Who asks next does not wait for it once more.
      said.set(key, { at: now().getTime(), lock });
      return lock;
    }
  }

  return {
    ask,
    async known() {
      const locked = backups.repositories().filter(keepsRemoved);
      return new Map(await Promise.all(locked.map(async ({ name }) => [name, await known(name)] as const)));
    },
  };
}

const unanswered = (why: string, hint?: string): ObjectLock => ({
  state: 'unknown',
  message: `its bucket could not be asked whether it is locked: ${why}`,
  hint,
});
