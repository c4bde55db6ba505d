import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Launch, spawnSteward } from './steward.ts';
import type { Gate } from './gates.ts';

/** What is done to a file by node:fs/promises, right before which a command is killed the first time. */
export interface Instant {
  readonly call: 'open' | 'mkdir' | 'rename' | 'rm' | 'writeFile';
  readonly path: string;
}

/** `steward <args>`, ended as kill -9 does at this instant. Rejects with what it said where it never came there. */
export async function killedAt(home: string, args: readonly string[], { call, path }: Instant): Promise<void> {
  const preload = pathToFileURL(join(import.meta.dirname, 'kill-at.ts')).href;
  const env = { NODE_OPTIONS: `--import=${preload}`, TEST_KILL_AT: JSON.stringify({ call, path }) };
  await ended(home, args, { env }, () => undefined).catch((cause: unknown) => {
    throw new Error(`never came to ${call} ${path}`, { cause });
  });
}

/** The same where it stands still at a gate. */
export async function killedBehind(home: string, args: readonly string[], gate: Gate, launch: Launch): Promise<void> {
  await gate.close();
  await ended(home, args, launch, async (kill) => {
    await gate.reached();
    kill();
  });
  await gate.open();
}

async function ended(
  home: string,
  args: readonly string[],
  launch: Launch,
  then: (kill: () => void) => Promise<void> | undefined,
): Promise<void> {
  const child = spawnSteward(args, home, launch);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  await Promise.race([exit, then(() => child.kill('SIGKILL'))].filter((each) => each !== undefined));
  const [code, signal] = await exit;
  // Whoever it started may hold them for longer.
  for (const stream of [child.stdout, child.stderr]) stream?.destroy();
  if (signal !== 'SIGKILL') throw new Error(`${args.join(' ')} ended with ${code}:\n${said}`);
}
