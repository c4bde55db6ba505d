export interface HostSample {
  readonly cpuPercent: number;
  readonly load1: number;
  readonly cores: number;
  readonly memoryTotalBytes: number;
  readonly memoryAvailableBytes: number;
  readonly disks: readonly {
    readonly mount: string;
    readonly device: string;
    readonly totalBytes: number;
    readonly freeBytes: number;
  }[];
  readonly uptimeSeconds: number;
}

export interface HostPort {
  sample(): Promise<HostSample>;
  bootId(): Promise<string>;
}
