import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('engine-child.ts', import.meta.url));

export interface EngineOptions {
  readonly databaseUrl: string;
  readonly node: string;
  readonly version?: number;
  /** A run of append-lines that it starts once it is ready. */
  readonly start?: object;
  /** How many resources there are to aim at: t0, t1, ... */
  readonly targets?: number;
  /** The node whose they are, where it is another one. */
  readonly targetsOn?: string;
  /** One line that append-lines and append-anywhere write besides. */
  readonly more?: string;
}

/** An engine in a process of its own. */
export interface EngineProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The next line it prints. */
  line(): Promise<string>;
  /** Does what src/testing/engine-child.ts understands; gives the id that came of it. */
  send(command: object): Promise<string>;
  kill(signal: NodeJS.Signals): Promise<number | null>;
  errors(): string;
}

/** `inside` goes before the command: in another network namespace, for one. */
export function startEngine(options: EngineOptions, inside: readonly string[] = []): EngineProcess {
  const [program, ...args] = [
    ...inside,
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    SCRIPT,
    JSON.stringify(options),
  ] as const;
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  const waiting: ((line: string) => void)[] = [];
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
    for (let end = out.indexOf('\n'); end >= 0 && waiting.length > 0; end = out.indexOf('\n')) {
      waiting.shift()?.(out.slice(0, end));
      out = out.slice(end + 1);
    }
  });
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  // Whoever was killed does not read any more.
  child.stdin.on('error', () => undefined);
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const line = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const end = out.indexOf('\n');
      if (end >= 0) {
        const next = out.slice(0, end);
        out = out.slice(end + 1);
        return resolve(next);
      }
      waiting.push(resolve);
      void exited.then(() => reject(new Error(`it ended: ${errors}`)));
    });
  return {
    child,
    pid: child.pid ?? 0,
    errors: () => errors,
    line,
    async send(command) {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      return await line();
    },
    async kill(signal) {
      child.kill(signal);
      return await exited;
    },
  };
}
