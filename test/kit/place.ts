import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSteward, stewardJson } from './steward.ts';

export interface RunningPlace {
  readonly pid: number;
  readonly tokenFile: string;
  output(): string;
  /** As `kill -9` does. */
  kill(): Promise<void>;
  stop(): Promise<number | null>;
  readonly ended: Promise<number | null>;
}

/** What `steward probe invite` printed, in a file of its own. */
export async function invitedPlace(home: string, name: string): Promise<string> {
  const { token } = await stewardJson<{ token: string }>(home, ['probe', 'invite', name]);
  const file = join(mkdtempSync(join(tmpdir(), 'stw-place-')), 'token');
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  return file;
}

/** `steward probe --server`, a process of its own. */
export function startPlace(server: string, tokenFile: string): RunningPlace {
  // It needs no Steward here, and finds none.
  const child = spawnSteward(
    ['probe', '--server', server, '--token-file', tokenFile],
    join(tokenFile, '..', 'none'),
    {},
  );
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((done) => child.on('close', done));
  return {
    pid: child.pid ?? 0,
    tokenFile,
    output: () => output,
    ended,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    async stop() {
      child.kill('SIGTERM');
      return await ended;
    },
  };
}
