import type { LaunchRecipe } from '../resource.ts';
import type { ProcessIdentity } from './programs.ts';

export interface ProcessInfo extends ProcessIdentity {
  readonly parent: number;
  readonly uid: number;
  readonly user: string;
  readonly executable: string;
  readonly argv: readonly string[];
  readonly cwd: string | undefined;
  /** R, S, D, T (stopped by a signal), Z: as the kernel says. */
  readonly state: string;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  readonly startedAt: Date;
  /** The systemd unit whose control group it is in. */
  readonly unit: string | undefined;
  /** Whose systemd: the machine's, or that of the user it runs as. */
  readonly unitScope?: 'system' | 'user' | undefined;
  /** The container whose control group or namespaces it is in. */
  readonly container: string | undefined;
}

/**
 * gone: ended meanwhile. unreadable: this user may not look. overwritten: it wrote a title over its arguments, as nginx,
 * redis-server and sshd do; a guess at the lost ones could start the wrong thing.
 */
export type Capture =
  | { readonly recipe: LaunchRecipe; readonly environment: Readonly<Record<string, string>> }
  | {
      readonly unknown: 'overwritten';
      readonly uid: number;
      readonly gid: number;
      readonly environment: Readonly<Record<string, string>>;
    }
  | { readonly unknown: 'gone' | 'unreadable' };

export interface ProcessesPort {
  list(): Promise<ProcessInfo[]>;
  get(pid: number): Promise<ProcessInfo | undefined>;
  /** Signals this very process; a pid that belongs to another one meanwhile is left alone and answers false. */
  signal(process: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL' | 'SIGCONT' | 'SIGHUP'): Promise<boolean>;
  /**
   * Everything needed to start it again, or why that is not known. Of its environment only the variables named are
   * looked at, and none where none is named.
   */
  capture(process: ProcessIdentity, variables: readonly string[]): Promise<Capture>;
  /**
   * Starts a program that outlives Steward: own session, own process group, output to a file.
   * Env holds only what the owner consented to keep. A relative outputPath is below Steward's own folder for such output.
   */
  launch(
    recipe: LaunchRecipe,
    options: { env: Readonly<Record<string, string>>; outputPath: string },
  ): Promise<ProcessIdentity>;
}
