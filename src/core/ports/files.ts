export interface FileInfo {
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  readonly bytes: number;
  readonly modifiedAt: Date;
  readonly accessedAt: Date;
  readonly uid: number;
  readonly mode: number;
  readonly device: number;
  readonly inode: number;
}

/** Files below the roots that the configuration allows. Links are never followed out of a root. */
export interface FilesPort {
  roots(): readonly string[];
  stat(path: string): Promise<FileInfo | undefined>;
  /** Entries of one folder; an unreadable folder is FORBIDDEN. */
  list(path: string): Promise<FileInfo[]>;
  /** Everything below a folder, depth first, without crossing to another device. Unreadable folders are skipped and counted. */
  walk(
    path: string,
    options: { maxEntries: number; signal: AbortSignal },
  ): Promise<{ entries: FileInfo[]; skipped: number; truncated: boolean }>;
  read(path: string, options: { maxBytes: number }): Promise<string | undefined>;
  /** Paths that some process holds open or mapped, of those given. */
  openPaths(paths: readonly string[]): Promise<ReadonlySet<string>>;
  /** Atomic on one device, otherwise copy, compare, remove. Refuses to replace what is there. Keeps mode, owner and times. */
  move(from: string, to: string): Promise<void>;
  makeDirectory(path: string): Promise<void>;
  /** Removes one file or an empty folder, only while it is still the given inode. */
  remove(path: string, inode: number): Promise<boolean>;
  freeBytes(path: string): Promise<{ freeBytes: number; totalBytes: number; freeInodes: number }>;
}
