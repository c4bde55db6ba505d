/** Folders below the home of Steward in which people and their scripts look for files. The store is what counts. */
export const EXPORT_FOLDERS = [
  'reports',
  'reports/performance',
  'reports/weekly',
  'logs',
  'data/agent-monitor',
  'dashboard',
] as const;
export type ExportFolder = (typeof EXPORT_FOLDERS)[number];

export interface Exports {
  /** Whole or not at all; what was there under the name is replaced. Gives the path. */
  write(folder: ExportFolder, name: string, text: string): Promise<string>;
  /** A link beside the file, moved over in one step. */
  link(folder: ExportFolder, name: string, target: string): Promise<void>;
  /** Removes files of that kind that are older. */
  prune(folder: ExportFolder, prefix: string, before: Date): Promise<number>;
}

/** A name as a file can have it everywhere: nothing that leads elsewhere, and no two names the same. */
export function fileNameOf(name: string, unique: string): string {
  const safe = name
    .normalize('NFKC')
    .replace(/[^A-Za-z0-9._-]+/g, '_')
    .replace(/^[._]+/, '')
    .slice(0, 80);
  return safe === name ? safe : `${safe === '' ? 'unnamed' : safe}-${unique.slice(-8)}`;
}

/** 20260331_060000, in UTC. */
export function fileStamp(at: Date): string {
  return at.toISOString().replace(/[-:]/g, '').replace('T', '_').slice(0, 15);
}
