import { StewardError } from '../errors.ts';

/** 20261129_030000, in UTC. */
export function stampOf(at: Date): string {
  return at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_');
}

/** How long a name may get: file systems take 255 bytes, and the time and endings come to it. */
const LONGEST = 200;

/**
 * A name of a part as a name of a file, whatever a database may be called: nothing leads elsewhere, hides, looks like an
 * option or breaks a line, and no two become the same.
 */
export function safeName(name: string): string {
  const safe = name.replaceAll(/[^\p{L}\p{N}._-]/gu, percent).replace(/^[.-]/, percent);
  if (safe !== '' && new TextEncoder().encode(safe).length <= LONGEST) return safe;
  throw new StewardError('INPUT_INVALID', `'${name}' is no name for a part of a copy.`, {
    hint: `Expected one that has up to ${LONGEST} bytes.`,
  });
}

/** shop.dump of a copy is shop_backup_20261129_030000.dump.zst: said by its real format, and found again out of its folder. */
export function storedName(part: string, stamp: string): string {
  const safe = safeName(part);
  const dot = safe.lastIndexOf('.');
  const [stem, ending] = dot > 0 ? [safe.slice(0, dot), safe.slice(dot)] : [safe, ''];
  return `${stem}_backup_${stamp}${ending}.zst`;
}

function percent(text: string): string {
  return [...new TextEncoder().encode(text)]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');
}

/** A path as an exclude that means this very path, whatever is in its name. */
export function asPattern(path: string): string {
  return path.replaceAll(/[\\*?[\]]/g, String.raw`\$&`);
}
