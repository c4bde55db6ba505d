import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { ConfigInput } from '../config/schema.ts';
import type { ProcessesPort } from '../core/ports/processes.ts';
import type { ProcessIdentity } from '../core/ports/programs.ts';
import { StewardError } from '../core/errors.ts';
import { readPidFile, isPostmaster, stopPostmaster } from '../store/pg-process.ts';
import { pgHome } from '../store/pg-home.ts';
import { writeAtomically } from '../config/write-atomically.ts';
import { findServer, request, stream } from '../surfaces/cli/client.ts';
import type { SeenEvent } from './story.ts';

/** A Steward of the game day's own: own home, own store, own port; it looks after the scratch stack and nothing else. */
export interface IsolatedSteward {
  /** Everything that it said happened so far. */
  readonly events: readonly SeenEvent[];
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body: object): Promise<T>;
  start(): Promise<void>;
  /** In force at its start, or while it runs a moment later. */
  configure(config: ConfigInput): Promise<void>;
  /** As kill -9 does; its store stays as it is. */
  kill(): Promise<void>;
  /** Ends it and its store, however far it had come. */
  end(): Promise<void>;
}

const SERVES_WITHIN_MS = 90_000;
const ENDS_WITHIN_MS = 20_000;
const LAUNCHER = resolve(import.meta.dirname, '../../bin/steward.js');

export function createIsolatedSteward({
  home,
  environment,
  processes,
}: {
  readonly home: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly processes: ProcessesPort;
}): IsolatedSteward {
  const configFile = join(home, 'steward.yaml');
  const identityFile = join(home, 'isolated-steward.json');
  const events: SeenEvent[] = [];
  const seen = new Set<number>();
  let last = 0;
  const ended = new AbortController();
  let running: ProcessIdentity | undefined;
  let following: Promise<void> | undefined;

  async function server() {
    const found = await findServer(home, {});
    if (!found) throw new StewardError('UNAVAILABLE', 'The Steward of the game day does not serve.');
    return found;
  }

  async function call<T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
    return (await request(await server(), method, `/api/v1/${path}`, body)).body as T;
  }

  async function follow(): Promise<void> {
    while (!ended.signal.aborted) {
      try {
        const headers = { 'last-event-id': String(last) };
        let text = '';
        for await (const piece of stream({ ...(await server()), headers }, '/api/v1/events/stream')) {
          text += piece;
          const frames = text.split('\n\n');
          text = frames.pop() ?? '';
          for (const frame of frames) {
            const data = /^data: (.*)$/m.exec(frame)?.[1];
            const event = data === undefined ? undefined : (JSON.parse(data) as SeenEvent);
            if (event?.type === undefined) continue;
            // They come in the order of their commits, which need not be that of their ids.
            last = event.id;
            if (!seen.has(event.id)) events.push(event);
            seen.add(event.id);
          }
          if (ended.signal.aborted) return;
        }
      } catch {
        // It is killed on purpose in one of the faults; the stream goes on where it was.
      }
      await sleep(200);
    }
  }

  return {
    events,
    get: (path) => call('GET', path),
    post: (path, body) => call('POST', path, body),

    configure: (config) => writeAtomically(configFile, stringify(config)),

    async start() {
      running = await processes.launch(
        {
          argv: ['node', LAUNCHER, 'serve', '--config', configFile],
          executable: process.execPath,
          cwd: home,
          uid: process.getuid?.() ?? 0,
          gid: process.getgid?.() ?? 0,
        },
        { env: { ...environment, HOME: home, STEWARD_HOME: home }, outputPath: join(home, 'output.log') },
      );
      await writeFile(identityFile, JSON.stringify(running), { mode: 0o600 });
      await serves(home, async () => (await processes.get(running?.pid ?? 0)) !== undefined);
      following ??= follow();
    },

    async kill() {
      if (running) await processes.signal(running, 'SIGKILL');
    },

    async end() {
      ended.abort();
      await endSteward(home, processes);
    },
  };
}

async function serves(home: string, lives: () => Promise<boolean>): Promise<void> {
  for (const until = performance.now() + SERVES_WITHIN_MS; performance.now() < until; await sleep(100)) {
    const found = await findServer(home, {});
    if (found && (await request(found, 'GET', '/api/v1/health').then(Boolean, () => false))) return;
    if (!(await lives())) break;
  }
  const output = await readFile(join(home, 'output.log'), 'utf8').catch(() => '');
  throw new StewardError(
    'UNAVAILABLE',
    `The Steward of the game day does not serve. It said: ${output.split('\n').slice(-6).join(' ').slice(-800)}`,
    { hint: `Its whole output is in ${join(home, 'output.log')} with --keep.` },
  );
}

/** Ends the Steward that was started from a home, and the store below it, whoever of them still lives. */
export async function endSteward(home: string, processes: ProcessesPort): Promise<void> {
  const text = await readFile(join(home, 'isolated-steward.json'), 'utf8').catch(() => undefined);
  const identity = text === undefined ? undefined : (JSON.parse(text) as ProcessIdentity);
  if (identity) {
    await processes.signal(identity, 'SIGTERM');
    for (const until = performance.now() + ENDS_WITHIN_MS; performance.now() < until; await sleep(50)) {
      const found = await processes.get(identity.pid);
      if (found?.startTicks !== identity.startTicks || found.state === 'Z') break;
    }
    await processes.signal(identity, 'SIGKILL');
  }
  const paths = pgHome(home);
  const left = await readPidFile(paths);
  if (left && (await isPostmaster(paths, left.pid))) await stopPostmaster(left.pid, 10_000);
}
