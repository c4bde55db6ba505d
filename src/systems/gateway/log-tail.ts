import { open } from 'node:fs/promises';

const PIECE_BYTES = 256 * 1024;
/** So much is read at most: whoever wants more asks for one by its id. */
const MOST_BYTES = 4 * 1024 * 1024;

/** The last lines of the files, the newest file and the newest line first. */
export async function lastRecords(paths: readonly string[], limit: number): Promise<unknown[]> {
  const found: unknown[] = [];
  let left = MOST_BYTES;
  for (const path of paths) {
    const file = await open(path, 'r').catch(() => undefined);
    if (!file) continue;
    try {
      let { size: end } = await file.stat();
      let rest = Buffer.alloc(0);
      while (end > 0 && left > 0 && found.length < limit) {
        const begin = Math.max(0, end - PIECE_BYTES);
        const piece = Buffer.alloc(end - begin);
        await file.read(piece, 0, piece.length, begin);
        left -= piece.length;
        end = begin;
        const text = Buffer.concat([piece, rest]);
        // What stands before the first end of a line may begin in the piece before.
        const whole = begin === 0 ? 0 : text.indexOf('\n') + 1 || text.length;
        rest = text.subarray(0, whole);
        found.push(...text.toString('utf8', whole).split('\n').toReversed().flatMap(recordIn));
      }
    } finally {
      await file.close();
    }
    if (found.length >= limit || left <= 0) break;
  }
  return found.slice(0, limit);
}

/** A line that was cut off by a crash is none. */
function recordIn(line: string): unknown[] {
  try {
    return line === '' ? [] : [JSON.parse(line)];
  } catch {
    return [];
  }
}
