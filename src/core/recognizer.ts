/** A port to look at, and what its process suggests, so that the likely protocol is spoken first. */
export interface RecognitionTarget {
  /** As bound; wildcard addresses are looked at over loopback. */
  readonly address: string;
  readonly port: number;
  /** Products that process, image or unit suggest. */
  readonly hints: readonly string[];
}

/**
 * One thing a port said. `banner` and `http` are what the peer says about itself and may lie;
 * `handshake` means that it answered as only the real protocol does.
 */
export interface Sighting {
  readonly source: 'banner' | 'handshake' | 'http';
  /** postgresql, mysql, redis, ssh, http ...: what was spoken. */
  readonly protocol: string;
  /** The product that the answer names, where it names one. */
  readonly product?: string | undefined;
  readonly version?: string | undefined;
  readonly tls: boolean;
  /** What was seen, cut short; untrusted text. */
  readonly detail: string;
  /** HTTP: status, headers, title, the beginning of the body. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface Recognition {
  /** silent: took the connection and said nothing; refused: took none. */
  readonly answer: 'spoke' | 'silent' | 'refused';
  readonly sightings: readonly Sighting[];
}

/** A tool server for assistants that a file of some user names. What it is started with and what it is sent is not kept. */
export interface ConfiguredMcpServer {
  readonly name: string;
  readonly transport: 'stdio' | 'http' | 'sse';
  /** What is started, for stdio: the program, and for npx and its like the package. */
  readonly program?: string | undefined;
  /** Where it is, otherwise; without query and credentials. */
  readonly address?: string | undefined;
  readonly user: string;
  readonly file: string;
  /** The process that its client started for it, for stdio. */
  readonly pid?: number | undefined;
}

/** How a process calls the application it runs: the name in package.json, the script, the module. */
export interface AppName {
  readonly name: string;
  readonly from: 'package' | 'script' | 'module';
  readonly version?: string | undefined;
}

/** Looks at ports gently: deadlines, byte caps, few at a time, nothing that changes the peer. Never throws for what a peer does. */
export interface Recognizer {
  look(target: RecognitionTarget, signal: AbortSignal): Promise<Recognition>;
  /** Read from the process's own folder; undefined where there is nothing to read. */
  app(process: { readonly pid: number; readonly argv: readonly string[] }): Promise<AppName | undefined>;
  /** What `<program> --version` prints, only for programs that none but root can replace. */
  programVersion(executable: string, args: readonly string[]): Promise<string | undefined>;
}
