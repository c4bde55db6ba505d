/** What the machine has left, for the probes that watch it. */
export interface MachineGauges {
  /** Every mounted disk of this machine. */
  disks(): Promise<readonly DiskSpace[]>;
  /** The disk that a path is on; undefined where there is no such path. */
  diskOf(path: string): Promise<DiskSpace | undefined>;
  /** The kind of a file system over the network that a path is on: looking there may take for ever. */
  remote(path: string): string | undefined;
  memory(): { readonly totalBytes: number; readonly availableBytes: number };
  /** Of the control group of a process, without what the kernel gives back by itself; undefined where it has no limit. */
  memoryOf(pid: number): { readonly usedBytes: number; readonly limitBytes: number } | undefined;
  load(): { readonly load1: number; readonly load5: number; readonly load15: number; readonly cores: number };
}

export interface DiskSpace {
  readonly mount: string;
  readonly device: string;
  readonly totalBytes: number;
  readonly usedBytes: number;
  /** What is left for everybody; root may have some more, so that it and what is used are less than the whole. */
  readonly freeBytes: number;
  /** 0 where the file system makes them as they are needed. */
  readonly totalInodes: number;
  readonly freeInodes: number;
}
