export interface UnitInfo {
  readonly unit: string;
  readonly scope: 'system' | 'user';
  readonly description: string;
  readonly loadState: string;
  /** active, inactive, failed, activating, deactivating, reloading. */
  readonly activeState: string;
  readonly subState: string;
  /** success, exit-code, signal, core-dump, oom-kill, timeout, start-limit-hit. */
  readonly result: string;
  readonly mainPid: number;
  readonly execMainStatus: number;
  readonly restarts: number;
  readonly restartPolicy: string;
  readonly activeSince: Date | undefined;
  readonly inactiveSince: Date | undefined;
  readonly fragmentPath: string | undefined;
}

export interface SystemdPort {
  services(): Promise<UnitInfo[]>;
  unit(name: string, scope: 'system' | 'user'): Promise<UnitInfo | undefined>;
  /** Clears a start limit first, then restarts; resolves when systemd's job is done, rejects when it failed. */
  restart(name: string, scope: 'system' | 'user', signal: AbortSignal): Promise<void>;
  logs(name: string, scope: 'system' | 'user', options: { tail: number }): Promise<string[]>;
}
