import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../../core/errors.ts';
import type { ProcessIdentity, ProgramRequest, ProgramResult, ProgramsPort } from '../../core/ports/programs.ts';
import { identityOf } from '../procfs/identity.ts';
import { CappedOutput } from './capped-output.ts';
import { endFamily } from './end-family.ts';
import { createFamily } from './family.ts';
import { gated, openGate } from './gate.ts';
import { groupMembers, signalGroup } from './group.ts';
import type { MemoryWatch } from './memory-watch.ts';
import { resolveProgram } from './resolve-program.ts';

const DEFAULT_OUTPUT = 1024 * 1024;
/** Behind everything else that wants the CPU, and still with a share of it. */
const BACKGROUND_PRIORITY = 10;

/** How programs are run for somebody: for a run of an automation, or for Steward itself. */
export interface Manner {
  readonly inherited: Readonly<Record<string, string>>;
  readonly memory: MemoryWatch;
  /** Bytes, where the request does not say. */
  readonly memoryLimit: number;
  /** Told of every child before its program starts; the program waits until this resolves, and never starts where it rejects. */
  readonly onChild?: ((child: ProcessIdentity) => Promise<void>) | undefined;
  /** Told when nothing is left to end of a child that it was told of. */
  readonly onEnd?: ((child: ProcessIdentity) => Promise<void>) | undefined;
  /** Cuts every program short, whatever its request says. */
  readonly signal?: AbortSignal | undefined;
  readonly background?: boolean | undefined;
}

function listening(): void {}

/** Content that flows through a program instead of being kept. */
export interface Flow {
  readonly input?: AsyncIterable<Uint8Array> | undefined;
  readonly take: (output: AsyncIterable<Uint8Array>) => Promise<unknown>;
}

export async function streamProgram<T>(
  { input, ...request }: Parameters<ProgramsPort['stream']>[0],
  take: (output: AsyncIterable<Uint8Array>) => Promise<T>,
  manner: Manner,
): Promise<ProgramResult & { readonly taken: T }> {
  const taken = Promise.withResolvers<T>();
  const result = await runProgram(request, manner, {
    input,
    take: async (output) => taken.resolve(await take(output)),
  });
  return { ...result, taken: await taken.promise };
}

export async function runProgram(given: ProgramRequest, manner: Manner, flow?: Flow): Promise<ProgramResult> {
  const { inherited, onChild, onEnd, background } = manner;
  const signals = [given.signal, manner.signal].filter((signal) => signal !== undefined);
  const fault = new AbortController();
  if (flow) signals.push(fault.signal);
  const request = { ...given, signal: signals.length > 1 ? AbortSignal.any(signals) : signals[0] };
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
  const output = flow ? undefined : new CappedOutput(stdout, limit);
  // Node throws away what a program that ended has written unless somebody listens, and whoever takes it may still prepare.
  if (flow) stdout.on('readable', listening);
  const errors = new CappedOutput(stderr, limit);
  if (request.said) stderr.on('data', (chunk: Buffer) => request.said?.(chunk.toString()));
  const ended = endOf(child);
  let recorded: ProcessIdentity | undefined;
  let gone = true;
  try {
    const pid = await spawned(child, request);
    const identity = identityOf(pid);
    if (background) lowerPriority(pid);
    if (onChild && gate) {
      await pass(identity, gate, onChild);
      recorded = identity;
    }
    gone = false;
    const flowing = flow ? flowThrough(flow, { stdin, stdout }, fault) : void stdin.end(request.input ?? '');
    await endedInTime(ended, { group: pid, identity: recorded, request, manner });
    gone = true;
    const { code, signal } = await ended;
    await flowing;
    fault.signal.throwIfAborted();
    await closed(pid, [stdout, stderr]);
    return {
      exitCode: code,
      signal,
      stdout: output?.text() ?? '',
      stderr: errors.text(),
      truncated: output?.truncated === true || errors.truncated,
      durationMs: performance.now() - startedAt,
    };
  } catch (thrown) {
    if (thrown instanceof CutShort) {
      ({ gone } = thrown);
      throw fault.signal.aborted ? fault.signal.reason : thrown.reason;
    }
    throw thrown;
  } finally {
    for (const stream of [stdin, stdout, stderr, gate]) stream?.destroy();
    if (recorded && gone) await onEnd?.(recorded);
  }
}

/** Resolves when all is fed and taken, or the first fault is told; never rejects, so that nobody has to listen at once. */
async function flowThrough(
  { input, take }: Flow,
  { stdin, stdout }: { readonly stdin: Writable; readonly stdout: Readable },
  fault: AbortController,
): Promise<void> {
  const feeding = input ? feed(input, stdin) : void stdin.end();
  const taking = take(stdout.iterator({ destroyOnReturn: false })).then(() => {
    stdout.off('readable', listening);
    stdout.resume();
  });
  await Promise.all(
    [feeding, taking].map((each) => Promise.resolve(each).catch((reason: unknown) => fault.abort(reason))),
  );
}

/** A program that does not want the rest of its input has closed the pipe: its exit code tells. */
async function feed(input: AsyncIterable<Uint8Array>, stdin: Writable): Promise<void> {
  for await (const chunk of input) {
    if (stdin.destroyed || stdin.errored) return;
    if (!stdin.write(chunk)) await drained(stdin);
  }
  stdin.end();
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      for (const event of ['drain', 'close', 'error']) stream.off(event, settle);
      resolve();
    };
    for (const event of ['drain', 'close', 'error']) stream.once(event, settle);
  });
}

async function pass(
  identity: ProcessIdentity | undefined,
  gate: Writable,
  onChild: NonNullable<Manner['onChild']>,
): Promise<void> {
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

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, BACKGROUND_PRIORITY);
  } catch {
    // It ended already.
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

/** Why a program was ended, and whether nothing of it is left. */
class CutShort extends Error {
  readonly reason: StewardError;
  readonly gone: boolean;

  constructor(reason: StewardError, gone: boolean) {
    super(reason.message);
    this.reason = reason;
    this.gone = gone;
  }
}

/** Resolves when the program has ended by itself; otherwise ends it with all that it started and rejects with the reason. */
async function endedInTime(
  ended: Promise<unknown>,
  {
    group,
    identity,
    request,
    manner,
  }: { group: number; identity: ProcessIdentity | undefined; request: ProgramRequest; manner: Manner },
): Promise<void> {
  const stopped = Promise.withResolvers<StewardError>();
  const family = createFamily(group);
  const deadline = setTimeout(() => stopped.resolve(late(request)), request.timeoutMs);
  const abort = () => stopped.resolve(canceled(request));
  request.signal?.addEventListener('abort', abort, { once: true });
  // Aborted while the child was being recorded.
  if (request.signal?.aborted) abort();
  const unwatch = manner.memory.add({
    family,
    program: request.program,
    limit: request.memoryLimit ?? manner.memoryLimit,
    end: stopped.resolve,
  });
  try {
    const reason = await Promise.race([ended.then(() => undefined), stopped.promise]);
    if (!reason) return;
    const gone = await endFamily(family, identity);
    // A process that waits for a dead disk ends only when the kernel lets it: the caller gets its answer all the same.
    if (gone) await ended;
    throw new CutShort(reason, gone);
  } finally {
    unwatch();
    clearTimeout(deadline);
    request.signal?.removeEventListener('abort', abort);
  }
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
