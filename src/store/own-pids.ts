import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pgHome } from './pg-home.ts';

/** This process and the PostgreSQL that serves this home; their children are found through them. */
export function ownPids(home: string): number[] {
  try {
    const postmaster = Number(readFileSync(join(pgHome(home).data, 'postmaster.pid'), 'utf8').split('\n')[0]);
    return Number.isInteger(postmaster) ? [process.pid, postmaster] : [process.pid];
  } catch {
    return [process.pid];
  }
}
