import type { LogLevel } from './lines.ts';
import type { Resource } from './resource.ts';

/** A line as its source has it: with secrets and escapes, and an instant and a level only where the source knows them. */
export interface RawLine {
  readonly at?: Date | undefined;
  readonly level?: LogLevel | undefined;
  readonly text: string;
  readonly source: string;
}

/** The logs of services on this node: of its container, its unit, or the files that its processes hold open. */
export interface ServiceLogs {
  /** The last lines, oldest first. UNAVAILABLE where the source cannot be asked. */
  read(resource: Resource, options: { readonly lines: number; readonly since?: Date | undefined }): Promise<RawLine[]>;
  /** What comes from now on, over restarts and rotations, until the signal ends it. Asks anew what the service is made of now and then. */
  follow(
    current: () => Promise<Resource | undefined>,
    emit: (lines: readonly RawLine[]) => void,
    signal: AbortSignal,
  ): Promise<void>;
}
