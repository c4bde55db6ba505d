import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import type { Journal } from '../../core/ports/storage.ts';

/** system@<ids>.journal was rotated away, and one that ends with ~ was found broken; others are written to. */
const CLOSED = /(@[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{16}\.journal|\.journal~)$/;
const JOURNAL = /\.journal~?$/;
/** Journals are in a folder for each machine id; those of namespaces have a name behind a dot and rules of their own. */
const MACHINE = /^[0-9a-f]{32}$/;
const VACUUM_MS = 5 * 60_000;

export async function journalOf(folder: string): Promise<Journal | undefined> {
  try {
    const { dev } = await stat(folder);
    let [bytes, closedBytes] = [0, 0];
    for (const machine of (await readdir(folder)).filter((name) => MACHINE.test(name))) {
      for (const name of (await readdir(join(folder, machine))).filter((file) => JOURNAL.test(file))) {
        const size = (await stat(join(folder, machine, name))).blocks * 512;
        bytes += size;
        if (CLOSED.test(name)) closedBytes += size;
      }
    }
    return { folder, device: dev, bytes, closedBytes };
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    // No journal on disk, or none that this user may read.
    if (code === 'ENOENT' || code === 'EACCES') return undefined;
    throw thrown;
  }
}

export async function vacuumJournal(
  programs: ProgramsPort,
  folder: string,
  { keepBytes, signal }: { keepBytes: number; signal: AbortSignal },
): Promise<void> {
  const { exitCode, stderr } = await programs.run({
    program: 'journalctl',
    // 0 would mean: no limit.
    args: [`--directory=${folder}`, `--vacuum-size=${Math.max(1, Math.floor(keepBytes))}`],
    timeoutMs: VACUUM_MS,
    signal,
  });
  if (exitCode === 0) return;
  throw new StewardError('PROGRAM_FAILED', `journalctl ended with ${exitCode}: ${stderr.trim().slice(-300)}`, {
    hint: 'Try it by hand: journalctl --vacuum-size=500M',
  });
}
