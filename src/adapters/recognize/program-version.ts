import { lstat, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ProgramsPort } from '../../core/ports/programs.ts';

/**
 * Runs `<program> <args>` for its version. Only a program that none but root can replace, folders above it included:
 * otherwise whoever owns it would have Steward run it as root.
 */
export async function readProgramVersion(
  programs: ProgramsPort,
  executable: string,
  args: readonly string[],
): Promise<string | undefined> {
  try {
    const path = await realpath(executable);
    if (!(await onlyRootCanReplace(path))) return undefined;
    const result = await programs.run({ program: path, args, timeoutMs: 2_000, outputLimit: 4_096 });
    if (result.exitCode !== 0) return undefined;
    return /(?:^|[\s/v])(\d+(?:\.\d+)+)/m.exec(`${result.stdout}\n${result.stderr}`)?.[1];
  } catch {
    // Not there, not executable, too slow: then the version stays unknown.
    return undefined;
  }
}

async function onlyRootCanReplace(path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    const info = await lstat(at);
    const others = 0o022;
    if (info.uid !== 0 || (info.mode & others) !== 0) return false;
    if (at === dirname(at)) return true;
  }
}
