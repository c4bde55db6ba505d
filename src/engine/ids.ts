import { randomBytes } from 'node:crypto';

/** A name that sorts by time: `run_` and twenty characters, nine of them the instant. */
export function newId(prefix: string, at: Date): string {
  return `${prefix}_${at.getTime().toString(36).padStart(9, '0')}${randomBytes(6).toString('hex').slice(0, 11)}`;
}

/** When the name was given; undefined where it is none of these. */
export function instantOf(id: string, prefix: string): Date | undefined {
  const [, instant] = new RegExp(`^${prefix}_([0-9a-z]{9})[0-9a-f]{11}$`).exec(id) ?? [];
  return instant === undefined ? undefined : new Date(Number.parseInt(instant, 36));
}
