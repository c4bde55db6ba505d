import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

const opened = new Set<string>();

/** Whether this process has opened a repository with a key, so that nothing is opened only to see that it can be. */
export interface Opened {
  /** Never of one that is not on this machine: it may be another one behind the same address. */
  has(key: string): Promise<boolean>;
  add(key: string): Promise<void>;
}

export function createOpened(called: string, folder: string | undefined): Opened {
  async function idOf(key: string): Promise<string | undefined> {
    const here = folder === undefined ? undefined : await stat(join(folder, 'config')).catch(() => undefined);
    return here && createHash('sha256').update(`${called} ${here.dev} ${here.ino} ${key}`).digest('hex');
  }
  return {
    async has(key) {
      const id = await idOf(key);
      return id !== undefined && opened.has(id);
    },
    async add(key) {
      const id = await idOf(key);
      if (id !== undefined) opened.add(id);
    },
  };
}
