import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Doing } from '../../../core/backup/store.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import { bootId } from '../../procfs/identity.ts';

/** An empty cluster as initdb made it: to copy one is a tenth of the work of making one. */
export interface KeptCluster {
  /** Puts it there; false where there is none. */
  copyTo(data: string, doing: Doing): Promise<boolean>;
  /** Takes one that is at rest and was never started. Where that cannot be done the next is made anew. */
  keep(data: string, doing: Doing): Promise<void>;
  forget(): Promise<void>;
}

export function keptCluster(
  programs: ProgramsPort,
  /** `as`: by whom and with what it was made. */
  { cache, as }: { readonly cache: string | undefined; readonly as: string },
): KeptCluster {
  const folder = cache === undefined ? undefined : join(cache, 'postgres');
  // Nobody waits until the disk has it, so none is taken that a power cut may have left half.
  const boot = bootId();
  const kept = folder && join(folder, `${as}-${boot}`);
  const copy = async (from: string, to: string, { signal }: Doing): Promise<boolean> => {
    const args = ['-a', '--', from, to];
    return (await programs.run({ program: 'cp', args, timeoutMs: 60_000, signal })).exitCode === 0;
  };
  return {
    async copyTo(data, doing) {
      if (kept === undefined || !existsSync(join(kept, 'PG_VERSION'))) return false;
      if (await copy(kept, data, doing)) return true;
      await rm(data, { recursive: true, force: true });
      return false;
    },

    async keep(data, doing) {
      if (folder === undefined || kept === undefined) return;
      const partial = join(folder, `${randomBytes(4).toString('hex')}.partial`);
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        for (const name of await readdir(folder))
          if (!name.endsWith(`-${boot}`)) await rm(join(folder, name), { recursive: true, force: true });
        if (await copy(data, partial, doing)) await rename(partial, kept);
      } catch {
        // Another put one there meanwhile, or the disk is full: see above.
      }
      await rm(partial, { recursive: true, force: true });
    },

    async forget() {
      if (kept !== undefined) await rm(kept, { recursive: true, force: true });
    },
  };
}
