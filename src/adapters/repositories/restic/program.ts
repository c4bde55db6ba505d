import { join } from 'node:path';
import type { RepositoryOf } from '../../../core/backup/repository.ts';
import type { Bytes, Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { ProgramResult } from '../../../core/ports/programs.ts';
import type { StoreDeps } from '../deps.ts';
import { withKeyFile } from './key.ts';
import { rewindable } from './rewindable.ts';
import { ResticError, type Trouble, troubleOf } from './trouble.ts';

/** It holds the index of the whole repository in memory. */
const MEMORY_BYTES = 2 * 1024 ** 3;
const MESSAGES_BYTES = 16 * 1024 ** 2;
const LONG_MS = 7 * 24 * 3_600_000;
/** How often it may try again before it is believed that this does not get better: it would go on for minutes. */
const TRIES: Partial<Record<Trouble, number>> = { unreachable: 4, failed: 6, busy: 10 };
/** How often it is started anew where a lock was given back while it read it, which it would wait for in vain for minutes. */
const STARTS = 8;

export interface Asking {
  readonly doing: Doing;
  /** By default as long as it takes. */
  readonly timeoutMs?: number | undefined;
  /** Exit codes that are no failure besides 0. */
  readonly alsoFine?: readonly number[] | undefined;
}

type Feeding = Asking & { readonly input?: Bytes | undefined };

export interface Restic {
  run(args: readonly string[], key: string, asking: Asking): Promise<ProgramResult>;
  /** What it prints, or what it is fed, as it flows. */
  stream<T>(
    args: readonly string[],
    key: string,
    asking: Asking & { readonly input?: Bytes | undefined },
    take: (output: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<ProgramResult & { readonly taken: T }>;
}

/** Debian's restic 0.14 and what came after it. Keys and credentials are in no argument. */
export function createRestic(
  repository: RepositoryOf<'restic'>,
  { programs, secrets, home }: Pick<StoreDeps, 'programs' | 'secrets' | 'home'>,
  /** After a restic that was ended before its time: it left its lock behind. */
  cutShort: () => Promise<void>,
): Restic {
  const common = [
    ...repository.options.flatMap((option) => ['--option', option]),
    ...(repository.uploadLimit === undefined ? [] : ['--limit-upload', String(repository.uploadLimit)]),
  ];

  async function environment(keyFile: string): Promise<Record<string, string>> {
    const own: Record<string, string> = {};
    for (const [name, value] of Object.entries(repository.env))
      own[name] = typeof value === 'string' ? value : await secrets(value);
    return {
      ...own,
      // An address may hold credentials too.
      RESTIC_REPOSITORY: repository.url,
      RESTIC_PASSWORD_FILE: keyFile,
      RESTIC_CACHE_DIR: join(home, 'cache', 'restic'),
      RESTIC_PROGRESS_FPS: '1',
      LC_ALL: 'C.UTF-8',
      TZ: 'UTC',
    };
  }

  async function attempt<T>(
    args: readonly string[],
    key: string,
    { doing, timeoutMs = LONG_MS, alsoFine = [], input }: Feeding,
    take: ((output: AsyncIterable<Uint8Array>) => Promise<T>) | undefined,
  ): Promise<ProgramResult & { readonly taken?: T }> {
    const patience = createPatience(repository.name);
    return await withKeyFile(home, key, async (keyFile) => {
      const request = {
        program: 'restic',
        args: [...args, ...common],
        env: await environment(keyFile),
        timeoutMs,
        outputLimit: MESSAGES_BYTES,
        memoryLimit: MEMORY_BYTES,
        signal: AbortSignal.any([doing.signal, patience.signal]),
        said: patience.hear,
      };
      let result: ProgramResult & { readonly taken?: T };
      try {
        result = take ? await programs.stream({ ...request, input }, take) : await programs.run(request);
      } catch (thrown) {
        if (!args.includes('--no-lock')) await cutShort();
        if (patience.lost) throw patience.lost;
        if (thrown instanceof StewardError && thrown.code === 'TIMEOUT' && timeoutMs !== LONG_MS)
          throw new ResticError('unreachable', repository.name, `no answer within ${timeoutMs / 1000} s`, thrown);
        throw thrown;
      }
      const { exitCode, signal, stderr } = result;
      if (signal === null && (exitCode === 0 || alsoFine.includes(exitCode ?? -1))) return result;
      if (signal !== null) throw new ResticError('ended', repository.name, `by ${signal}`);
      throw new ResticError(troubleOf(stderr, exitCode), repository.name, stderr);
    });
  }

  async function ask<T>(
    args: readonly string[],
    key: string,
    asking: Feeding,
    take: ((output: AsyncIterable<Uint8Array>) => Promise<T>) | undefined,
  ): Promise<ProgramResult & { readonly taken?: T }> {
    const input = asking.input && rewindable(asking.input);
    try {
      for (let start = 1; ; start += 1) {
        try {
          return await attempt(args, key, { ...asking, input: input?.read() }, take);
        } catch (thrown) {
          // It looks at the locks before it begins.
          const vanished = thrown instanceof ResticError && thrown.trouble === 'lock-vanished';
          if (!vanished || start === STARTS || asking.doing.signal.aborted || input?.again === false) throw thrown;
        }
      }
    } finally {
      input?.close();
    }
  }

  return {
    run: (args, key, asking) => ask(args, key, asking, undefined),
    stream: async (args, key, asking, take) => {
      const result = await ask(args, key, asking, take);
      return { ...result, taken: result.taken as Awaited<ReturnType<typeof take>> };
    },
  };
}

/** restic tries again ten times and more, also what can never succeed: it is stopped when that is clear. */
function createPatience(repository: string): {
  readonly signal: AbortSignal;
  readonly lost: ResticError | undefined;
  hear(text: string): void;
} {
  const stop = new AbortController();
  let lost: ResticError | undefined;
  let tries = 0;
  let rest = '';
  return {
    signal: stop.signal,
    get lost() {
      return lost;
    },
    hear(text) {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines.filter((one) => one.includes('returned error, retrying after'))) {
        const trouble = troubleOf(line, null);
        tries += 1;
        if (lost || tries < (TRIES[trouble] ?? 2)) continue;
        const why = line.replace(/^.*retrying after [^:]+: /, '');
        lost = new ResticError(trouble, repository, `${line.slice(0, line.indexOf(' returned'))}: ${why}`);
        stop.abort();
      }
    },
  };
}
