import { StewardError } from '../../core/errors.ts';
import { createFiles } from '../files/index.ts';

const MOST_ENTRIES = 20_000;
const MOST = 200;

/** The largest files below the folder for logs, largest first; none where there is no such folder. */
export async function largestLogs(folder = '/var/log'): Promise<{ readonly path: string; readonly bytes: number }[]> {
  const files = createFiles({ roots: [folder] });
  try {
    const { entries } = await files.walk(folder, { maxEntries: MOST_ENTRIES, signal: AbortSignal.timeout(30_000) });
    return entries
      .filter(({ kind, bytes }) => kind === 'file' && bytes > 0)
      .map(({ path, bytes }) => ({ path, bytes }))
      .toSorted((a, b) => b.bytes - a.bytes)
      .slice(0, MOST);
  } catch (thrown) {
    const { code } = StewardError.from(thrown);
    if (code === 'NOT_FOUND' || code === 'FORBIDDEN') return [];
    throw thrown;
  }
}
