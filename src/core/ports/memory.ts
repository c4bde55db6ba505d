/** A control group of a unit or a container that the kernel can be asked to take file cache from. */
export interface MemoryGroup {
  readonly unit: string | undefined;
  readonly unitScope: 'system' | 'user' | undefined;
  readonly container: string | undefined;
  /** Below the root of the control groups. */
  readonly path: string;
  readonly usedBytes: number;
  /** Cached pages of files that nobody used lately; no memory of a program, and nothing of a tmpfs. */
  readonly cacheBytes: number;
}

/** How a Redis is reached; without a password where it asks for none. */
export interface RedisLogin {
  readonly host: string;
  readonly port: number;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
}

export interface RedisMemory {
  /** Of its data. */
  readonly usedBytes: number;
  /** That the kernel counts for it. */
  readonly residentBytes: number;
  /** Pages that its allocator holds on to and could give back. */
  readonly spareBytes: number;
}

/** What memory can be given back without ending anything. */
export interface MemoryPort {
  /** Where this machine offers none, `missing` says why. */
  groups(): Promise<{ readonly groups: readonly MemoryGroup[]; readonly missing?: string | undefined }>;
  /** Has the kernel take up to so many bytes of file cache from a group, never memory of its programs. NOT_FOUND where it is gone. */
  reclaim(path: string, bytes: number): Promise<void>;
  redis(login: RedisLogin, signal: AbortSignal): Promise<RedisMemory>;
  /** Has its allocator give back the pages that hold no data. */
  purgeRedis(login: RedisLogin, signal: AbortSignal): Promise<void>;
}
