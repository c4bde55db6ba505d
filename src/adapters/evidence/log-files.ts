import { constants } from 'node:fs';
import { open, readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';

export interface LogTail {
  readonly source: string;
  readonly lines: string[];
}

const TAIL_BYTES = 16 * 1024;
const MAX_DESCRIPTORS = 512;
const LOG_NAME = /\.(log|out|err)(\.\d+)?$|\/logs?\/[^/]*$/;

/** Log files that the process itself holds open for writing: its own output first. */
export async function openLogFiles(pid: number): Promise<string[]> {
  return [...new Set((await heldLogFiles(pid)).map(({ path }) => path))];
}

/** The same, each with the way to the very file: a name may lead elsewhere by now. */
export async function heldLogFiles(pid: number): Promise<{ readonly path: string; readonly descriptor: string }[]> {
  const folder = `/proc/${pid}/fd`;
  const descriptors = (await readdir(folder).catch(() => [])).slice(0, MAX_DESCRIPTORS);
  const found = await Promise.all(
    descriptors.map(async (descriptor) => {
      const path = await readlink(join(folder, descriptor)).catch(() => '');
      const isOutput = descriptor === '1' || descriptor === '2';
      if (
        !path.startsWith('/') ||
        path.endsWith(' (deleted)') ||
        path.startsWith('/dev/') ||
        !(isOutput || LOG_NAME.test(path))
      )
        return undefined;
      return (await isWritten(pid, descriptor)) ? { path, descriptor: join(folder, descriptor), isOutput } : undefined;
    }),
  );
  return found.filter((file) => file !== undefined).toSorted((a, b) => Number(b.isOutput) - Number(a.isOutput));
}

/** What a process that is gone may have left: log files in its working folder. */
export async function logFilesIn(folder: string): Promise<string[]> {
  if (folder === '/' || folder === '') return [];
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => LOG_NAME.test(name))
    .slice(0, 3)
    .map((name) => join(folder, name));
}

/** The last lines of a regular file that belongs to this user; never what a link leads to. */
export async function tailFile(
  path: string,
  options: { lines: number; uid?: number | undefined; bytes?: number | undefined },
): Promise<LogTail | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  if (!file) return undefined;
  try {
    const info = await file.stat();
    if (!info.isFile() || (options.uid !== undefined && info.uid !== options.uid)) return undefined;
    const { bytes = TAIL_BYTES } = options;
    const from = Math.max(0, info.size - bytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(bytes, info.size)), 0, undefined, from);
    const lines = buffer.toString('utf8', 0, bytesRead).split(/\r?\n/);
    // The first line of a tail is most likely the end of one.
    if (from > 0) lines.shift();
    if (lines.at(-1) === '') lines.pop();
    return lines.length === 0 ? undefined : { source: path, lines: lines.slice(-options.lines) };
  } finally {
    await file.close();
  }
}

async function isWritten(pid: number, descriptor: string): Promise<boolean> {
  const info = await readFile(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8').catch(() => '');
  const flags = /^flags:\s*(\d+)/m.exec(info)?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & 3) !== constants.O_RDONLY;
}
