export interface ContainerInfo {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';
  readonly health: 'none' | 'starting' | 'healthy' | 'unhealthy';
  readonly healthLog: string | undefined;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Signalled or stopped through the Docker API since it last started: somebody's decision. */
  readonly stoppedOnPurpose: boolean;
  readonly restartCount: number;
  readonly restartPolicy: string;
  readonly pid: number;
  readonly startedAt: Date | undefined;
  readonly finishedAt: Date | undefined;
  readonly networks: readonly { readonly name: string; readonly address: string }[];
  readonly ports: readonly {
    readonly container: number;
    readonly host: number | undefined;
    readonly protocol: string;
  }[];
  readonly command: readonly string[];
}

export interface ImageInfo {
  readonly id: string;
  /** repository:tag. */
  readonly tags: readonly string[];
  /** repository@digest: by these it can be pulled again. Empty for what was built here. */
  readonly digests: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: Date;
  /** When it last got a tag on this machine: by a pull, a build or by hand. */
  readonly taggedAt: Date | undefined;
  readonly bytes: number;
  /** What goes with it alone; layers that others share stay. */
  readonly ownBytes: number;
  /** Names of the containers made of it, stopped ones included. */
  readonly usedBy: readonly string[];
  /** Images that were built upon it. */
  readonly parentOf: number;
  /** The configuration says that it stays. */
  readonly protected: boolean;
}

export interface BuildCacheEntry {
  readonly id: string;
  readonly bytes: number;
  readonly inUse: boolean;
  /** Its layers are an image's too, so removing it frees nothing. */
  readonly shared: boolean;
  readonly lastUsedAt: Date;
}

export interface DockerPort {
  /** All containers, stopped ones included. UNAVAILABLE where no engine answers. */
  containers(): Promise<ContainerInfo[]>;
  inspect(idOrName: string): Promise<ContainerInfo | undefined>;
  /** Stops with the given grace and starts again; starts where it does not run. */
  restart(id: string, options: { graceSeconds: number; signal: AbortSignal }): Promise<void>;
  logs(id: string, options: { tail: number }): Promise<string[]>;
  stats(id: string): Promise<{ cpuPercent: number; memoryBytes: number; memoryLimitBytes: number } | undefined>;
  /** Adding up layers takes the engine long; without sizes, ownBytes is all of the bytes. */
  images(options?: { readonly sizes?: boolean }): Promise<ImageInfo[]>;
  buildCache(): Promise<BuildCacheEntry[]>;
  /** Where the engine keeps all of it. */
  dataFolder(): Promise<string>;
  /**
   * With all its tags, and never by force: CONFLICT where a container, a running or a stopped one, is made of it, or the
   * configuration says that it stays. False where there is none.
   */
  removeImage(id: string, options: { signal: AbortSignal }): Promise<boolean>;
  /** Gives the bytes that the engine says it freed. */
  pruneBuildCache(options: { unusedForMs: number; signal: AbortSignal }): Promise<{ bytes: number }>;
}
