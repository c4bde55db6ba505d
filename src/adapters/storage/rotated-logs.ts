import type { RotatedLog } from '../../core/ports/storage.ts';
import { StewardError } from '../../core/errors.ts';
import { createFiles } from '../files/index.ts';

/** syslog.1, syslog.2.gz, app.log-20260301, app.log.old: what log rotation leaves behind. */
const ROTATED = /(\.\d{1,3}|\.old|-\d{8}(-\d+)?)(\.(gz|xz|bz2|zst))?$|\.log\.(gz|xz|bz2|zst)$/;
/** Who signed in and what was audited: evidence, which nobody removes to make room. */
const EVIDENCE = /\/(audit|journal)\/|\/(wtmp|btmp|lastlog|faillog|auth\.log|secure)[^/]*$/;
const MOST = 20_000;

export function createRotatedLogs(folder: string) {
  // The files adapter keeps what it is asked for below its root, whatever links lie there.
  const files = createFiles({ roots: [folder] });
  const isRotated = (path: string): boolean => ROTATED.test(path) && !EVIDENCE.test(path);
  return {
    async list(signal: AbortSignal): Promise<RotatedLog[]> {
      const walked = await files.walk(folder, { maxEntries: MOST, signal }).catch((thrown: unknown) => {
        const { code } = StewardError.from(thrown);
        if (code === 'NOT_FOUND' || code === 'FORBIDDEN') return { entries: [] };
        throw thrown;
      });
      const rotated = walked.entries.filter(({ kind, path }) => kind === 'file' && isRotated(path));
      const open = await files.openPaths(rotated.map(({ path }) => path));
      return rotated
        .filter(({ path }) => !open.has(path))
        .map(({ path, inode, device, bytes, modifiedAt }) => ({ path, inode, device, bytes, modifiedAt }));
    },

    async remove(path: string, inode: number): Promise<boolean> {
      if (!isRotated(path))
        throw new StewardError('FORBIDDEN', `${path} is no log that was rotated away, so it is not removed.`);
      if ((await files.openPaths([path])).size > 0) return false;
      return await files.remove(path, inode);
    },
  };
}
