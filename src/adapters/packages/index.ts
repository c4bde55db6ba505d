import { open } from 'node:fs/promises';
import type { PackageChange, PackageHistory } from '../../core/change-log.ts';

const DPKG_LOG = '/var/log/dpkg.log';
/** Far more than a day of upgrades writes. */
const MOST_BYTES = 1_048_576;
const LINE = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) (install|upgrade|remove|purge) ([^\s:]+)(?::\S+)? (\S+) (\S+)$/;

/**
 * What dpkg wrote down, which every way of installing on Debian and Ubuntu ends in. Its times have no zone: they are the
 * machine's. Nothing where there is no such file.
 */
export function createPackageHistory({ path = DPKG_LOG }: { readonly path?: string } = {}): PackageHistory {
  return async (from, until) =>
    (await lastLines(path)).flatMap((line): PackageChange[] => {
      const [, day, time, , name = '', before, after] = LINE.exec(line) ?? [];
      const at = new Date(`${day}T${time}`);
      if (Number.isNaN(at.getTime()) || at < from || at > until) return [];
      return [{ at, name, before: versionOf(before), after: versionOf(after) }];
    });
}

function versionOf(text: string | undefined): string | undefined {
  return text === '<none>' ? undefined : text;
}

async function lastLines(path: string): Promise<string[]> {
  const file = await open(path).catch(() => undefined);
  if (!file) return [];
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - MOST_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
    return buffer.subarray(0, bytesRead).toString('utf8').split('\n');
  } finally {
    await file.close();
  }
}
