export interface ProgramRequest {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string | undefined;
  /** Added to the allow-list of variables that programs inherit. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly input?: string | undefined;
  /** Milliseconds; the whole process group is ended at the deadline, with SIGKILL where SIGTERM does not help. */
  readonly timeoutMs: number;
  /** Bytes kept of each stream; the rest is counted and dropped. Default 1 MiB. */
  readonly outputLimit?: number | undefined;
  /** The caller declares that it only looks. Believed of programs on the list in core/port-reads.ts alone. */
  readonly reads?: boolean | undefined;
  /** Bytes of memory that the program and what it starts may use together; it is ended above. By configuration, 512 MB. */
  readonly memoryLimit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what it writes to stderr as it comes: for one that says early why it will not get on. */
  readonly said?: ((text: string) => void) | undefined;
}

export interface ProgramResult {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly truncated: boolean;
  readonly durationMs: number;
}

/** A process as the kernel names it once: a pid alone is used again after the process is gone. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/<pid>/stat. */
  readonly startTicks: number;
  readonly bootId: string;
}

/** Runs programs: argument arrays, a deadline, an output cap, an own process group. Never a shell. */
export interface ProgramsPort {
  /**
   * Resolves with the result, whatever the exit code; the caller judges it.
   * Rejects with NOT_FOUND where the program is missing, TIMEOUT at the deadline, CANCELED on abort, TOO_LARGE above its memory.
   * One that is cut short is ended with everything that it started; what it leaves running when it ends by itself stays.
   */
  run(request: ProgramRequest): Promise<ProgramResult>;
  /**
   * The same with content that flows: `input` is fed to it, and `take` is given what it writes, of which `stdout` of the result
   * keeps nothing. Where either fails the program is ended and the first error is thrown; content that `take` leaves is dropped.
   */
  stream<T>(
    request: Omit<ProgramRequest, 'input'> & { readonly input?: AsyncIterable<Uint8Array> | undefined },
    take: (output: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<ProgramResult & { readonly taken: T }>;
}
