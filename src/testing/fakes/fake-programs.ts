import { Readable } from 'node:stream';
import { StewardError } from '../../core/errors.ts';
import type { ProgramRequest, ProgramResult, ProgramsPort } from '../../core/ports/programs.ts';

type Behavior = (request: ProgramRequest) => Promise<Partial<ProgramResult>> | Partial<ProgramResult>;

export interface FakePrograms extends ProgramsPort {
  /** Puts a program on the machine: what it answers to each call. One that never answers runs into its deadline. */
  install(program: string, behavior: Behavior): void;
  uninstall(program: string): void;
  readonly calls: readonly ProgramRequest[];
}

/** Programs in memory, with the port's promises about missing ones, deadlines, aborts and the output limit. */
export function fakePrograms(): FakePrograms {
  const installed = new Map<string, Behavior>();
  const calls: ProgramRequest[] = [];
  const programs: FakePrograms = {
    calls,
    install: (program, behavior) => void installed.set(program, behavior),
    uninstall: (program) => void installed.delete(program),

    async run(request) {
      if (request.signal?.aborted) throw canceled(request);
      const behavior = installed.get(request.program);
      if (!behavior)
        throw new StewardError(
          'NOT_FOUND',
          `The program ${request.program} is not installed on this machine, or may not be run by this user.`,
        );
      calls.push(request);
      const result = await inTime(request, Promise.resolve(behavior(request)));
      const limit = request.outputLimit ?? 1024 * 1024;
      const stdout = Buffer.from(result.stdout ?? '');
      const stderr = Buffer.from(result.stderr ?? '');
      return {
        exitCode: 0,
        signal: null,
        durationMs: 0,
        ...result,
        stdout: stdout.subarray(0, limit).toString(),
        stderr: stderr.subarray(0, limit).toString(),
        truncated: stdout.length > limit || stderr.length > limit,
      };
    },

    async stream({ input, ...request }, take) {
      // That it is missing is known before anything is asked of the content.
      if (!installed.has(request.program)) await programs.run(request);
      const fed: Uint8Array[] = [];
      for await (const chunk of input ?? []) fed.push(chunk);
      const result = await programs.run({
        ...request,
        outputLimit: Number.MAX_SAFE_INTEGER,
        ...(input && { input: Buffer.concat(fed).toString() }),
      });
      const taken = await take(Readable.from([Buffer.from(result.stdout)]));
      return { ...result, stdout: '', taken };
    },
  };
  return programs;
}

function inTime<T>(request: ProgramRequest, result: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () =>
        reject(
          new StewardError(
            'TIMEOUT',
            `${request.program} did not finish within ${request.timeoutMs} ms and was ended.`,
          ),
        ),
      request.timeoutMs,
    );
    const abort = () => reject(canceled(request));
    request.signal?.addEventListener('abort', abort, { once: true });
    result.then(resolve, reject).finally(() => {
      clearTimeout(late);
      request.signal?.removeEventListener('abort', abort);
    });
  });
}

function canceled(request: ProgramRequest): StewardError {
  return new StewardError('CANCELED', `${request.program} was canceled.`);
}
