import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../../core/errors.ts';
import type { ProcessIdentity, ProgramRequest, ProgramResult } from '../../core/ports/programs.ts';
import { identityOf } from '../procfs/identity.ts';
import { CappedOutput } from './capped-output.ts';
import { gated, openGate } from './gate.ts';
import { groupMembers, signalGroup } from './group.ts';
import { resolveProgram } from './resolve-program.ts';

const DEFAULT_OUTPUT = 1024 * 1024;
const GRACE_MS = 2000;

type Recorder = (child: ProcessIdentity) => Promise<void>;

export async function runProgram(
  request: ProgramRequest,
  inherited: Readonly<Record<string, string>>,
  onChild: Recorder | undefined,
): Promise<ProgramResult> {
  if (request.signal?.aborted) throw canceled(request);
  const cwd = request.cwd ?? '/';
  const env = { ...inherited, ...request.env };
  const program = resolveProgram(request.program, env['PATH'] ?? '', cwd);
  const { file, args } = onChild ? gated(program, request.args) : { file: program, args: request.args };
  const startedAt = performance.now();
  const child = spawn(file, args, {
    cwd,
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', onChild ? 'pipe' : 'ignore'],
  });
  const [stdin, stdout, stderr, gate] = child.stdio as unknown as [Writable, Readable, Readable, Writable | null];
  // A program that does not read its input, or never passes the gate, closes the pipe: no failure of ours.
  stdin.on('error', () => {});
  gate?.on('error', () => {});
  const limit = request.outputLimit ?? DEFAULT_OUTPUT;
  const output = new CappedOutput(stdout, limit);
  const errors = new CappedOutput(stderr, limit);
  const ended = endOf(child);
  try {
    const pid = await spawned(child, request);
    if (onChild && gate) await pass(pid, gate, onChild);
    stdin.end(request.input ?? '');
    await endedInTime(ended, pid, request);
    const { code, signal } = await ended;
    await closed(pid, [stdout, stderr]);
    return {
      exitCode: code,
      signal,
      stdout: output.text(),
      stderr: errors.text(),
      truncated: output.truncated || errors.truncated,
      durationMs: performance.now() - startedAt,
    };
  } finally {
    for (const stream of [stdin, stdout, stderr, gate]) stream?.destroy();
  }
}

async function pass(pid: number, gate: Writable, onChild: Recorder): Promise<void> {
  const identity = identityOf(pid);
  try {
    // Gone already: ended by someone while it waited; there is nothing to record and the exit code tells.
    if (!identity) return;
    await onChild(identity);
    openGate(gate, identity);
  } catch (error) {
    // Closing the gate without a word ends the script.
    gate.destroy();
    throw error;
  }
}

function spawned(child: ChildProcess, request: ProgramRequest): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child.pid ?? 0));
    child.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new StewardError(
          'PROGRAM_FAILED',
          `${request.program} could not be started${request.cwd ? ` in ${request.cwd}` : ''}: ${cause.message}.`,
          {
            hint: 'Check that the program and its working folder exist and that Steward may use them.',
            cause,
          },
        ),
      ),
    );
  });
}

function endOf(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}

/** Resolves when the program has ended by itself; otherwise ends its whole group and rejects with the reason. */
async function endedInTime(ended: Promise<unknown>, group: number, request: ProgramRequest): Promise<void> {
  let stop: (error: StewardError) => void = () => {};
  const stopped = new Promise<StewardError>((resolve) => {
    stop = resolve;
  });
  const deadline = setTimeout(() => stop(late(request)), request.timeoutMs);
  const abort = () => stop(canceled(request));
  request.signal?.addEventListener('abort', abort, { once: true });
  // Aborted while the child was being recorded.
  if (request.signal?.aborted) abort();
  try {
    const reason = await Promise.race([ended.then(() => undefined), stopped]);
    if (!reason) return;
    await endRunningGroup(group, ended);
    throw reason;
  } finally {
    clearTimeout(deadline);
    request.signal?.removeEventListener('abort', abort);
  }
}

// A process that waits for a dead disk ends only when the kernel lets it: the caller gets its answer all the same.
async function endRunningGroup(group: number, ended: Promise<unknown>): Promise<void> {
  signalGroup(group, 'SIGTERM');
  if (await groupGone(group, GRACE_MS)) return void (await ended);
  signalGroup(group, 'SIGKILL');
  await groupGone(group, GRACE_MS);
}

async function groupGone(group: number, withinMs: number): Promise<boolean> {
  for (const until = performance.now() + withinMs; groupMembers(group).length > 0; await sleep(20)) {
    if (performance.now() > until) return false;
  }
  return true;
}

/** Waits for the rest of the output. A descendant that keeps a pipe open would make that wait endless: it is ended with its group. */
async function closed(group: number, streams: readonly Readable[]): Promise<void> {
  const open = streams.filter((stream) => !stream.readableEnded && !stream.closed);
  const all = Promise.all(open.map((stream) => new Promise((resolve) => stream.once('close', resolve))));
  const late = Symbol('late');
  if ((await Promise.race([all, sleep(500, late, { ref: false })])) !== late) return;
  if (groupMembers(group).length > 0) signalGroup(group, 'SIGKILL');
}

function late(request: ProgramRequest): StewardError {
  return new StewardError(
    'TIMEOUT',
    `${request.program} did not finish within ${request.timeoutMs} ms and was ended.`,
    {
      hint: 'Give it more time, or find out what it waits for.',
    },
  );
}

function canceled(request: ProgramRequest): StewardError {
  return new StewardError('CANCELED', `${request.program} was canceled.`);
}
