import { StewardError } from '../../core/errors.ts';
import { type Reclaimable, RUNGS } from '../../core/reclaim.ts';
import type { Space } from '../../core/ports/storage.ts';

const UNIT: Readonly<Record<string, number>> = {
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
const PERCENT = /^(\d{1,2}(?:\.\d)?) ?%$/;
const FREE = /^(\d+(?:\.\d+)?) ?(MB|GB|TB|MiB|GiB|TiB)$/;
export const TARGET = new RegExp(`${PERCENT.source}|${FREE.source}`);

/** The bytes to be freed: until not more than so many percent are used, or so much is free. */
export function missingBytes(target: string, { usedBytes, freeBytes }: Space): number {
  const percent = PERCENT.exec(target)?.[1];
  if (percent !== undefined)
    return Math.max(0, Math.ceil(usedBytes - (usedBytes + freeBytes) * (Number(percent) / 100)));
  const [, size = '', unit = ''] = FREE.exec(target) ?? [];
  const factor = UNIT[unit];
  if (factor === undefined) throw new StewardError('INPUT_INVALID', `'${target}' is no target such as 80% or 20GB.`);
  return Math.max(0, Math.ceil(Number(size) * factor - freeBytes));
}

/** Up the ladder until it is enough: the harmless first, and of one rung the largest first. */
export function ladder(items: readonly Reclaimable[], needed: number, most: number): Reclaimable[] {
  const chosen: Reclaimable[] = [];
  let freed = 0;
  for (const rung of RUNGS) {
    const here = items.filter((item) => item.rung === rung && item.bytes > 0).toSorted((a, b) => b.bytes - a.bytes);
    for (const item of here) {
      if (freed >= needed || chosen.length >= most) return chosen;
      chosen.push(item);
      freed += item.bytes;
    }
  }
  return chosen;
}
