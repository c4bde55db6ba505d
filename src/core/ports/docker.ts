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

export interface DockerPort {
  /** All containers, stopped ones included. UNAVAILABLE where no engine answers. */
  containers(): Promise<ContainerInfo[]>;
  inspect(idOrName: string): Promise<ContainerInfo | undefined>;
  /** Stops with the given grace and starts again; starts where it does not run. */
  restart(id: string, options: { graceSeconds: number; signal: AbortSignal }): Promise<void>;
  logs(id: string, options: { tail: number }): Promise<string[]>;
  stats(id: string): Promise<{ cpuPercent: number; memoryBytes: number; memoryLimitBytes: number } | undefined>;
}
