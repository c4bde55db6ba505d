/** A file system, by one folder of it. */
export interface Space {
  /** Tells file systems apart: st_dev. */
  readonly device: number;
  readonly totalBytes: number;
  readonly usedBytes: number;
  /** For those who are not root; less than what is not used. */
  readonly freeBytes: number;
}

/** What a program keeps of what it can fetch or make again. */
export interface Cache {
  readonly id: string;
  /** What it holds, in words: packages that apt can download again. */
  readonly holds: string;
  readonly folder: string;
  readonly device: number;
  readonly bytes: number;
}

export interface Journal {
  readonly folder: string;
  readonly device: number;
  readonly bytes: number;
  /** Of the files that are closed; open ones are never removed. */
  readonly closedBytes: number;
}

/** A log that was rotated away: nobody writes into it any more. */
export interface RotatedLog {
  readonly path: string;
  readonly inode: number;
  readonly device: number;
  readonly bytes: number;
  readonly modifiedAt: Date;
}

/** What fills the disks of this machine and may go. What it does not name, it does not remove. */
export interface StoragePort {
  /** The file system that a folder is on. */
  space(folder: string): Promise<Space>;
  /** Those with something in them, of the programs that are installed. */
  caches(): Promise<Cache[]>;
  /** Has the program itself empty its cache. */
  clearCache(id: string, options: { signal: AbortSignal }): Promise<void>;
  /** Undefined where none is kept on disk. */
  journal(): Promise<Journal | undefined>;
  /** Removes the oldest closed files until all of it takes no more than that. */
  vacuumJournal(options: { keepBytes: number; signal: AbortSignal }): Promise<void>;
  /** Without those that a process holds open, and without records of who signed in and what was audited. */
  rotatedLogs(options: { signal: AbortSignal }): Promise<RotatedLog[]>;
  /** Only one that rotatedLogs would give, and only while it is still that inode. */
  removeLog(path: string, inode: number): Promise<boolean>;
}
