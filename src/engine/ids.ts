import { randomBytes } from 'node:crypto';

/** A name that sorts by time: `run_` and twenty characters, nine of them the instant. */
export function newId(prefix: string, at: Date): string {
  return `${prefix}_${at.getTime().toString(36).padStart(9, '0')}${randomBytes(6).toString('hex').slice(0, 11)}`;
}
