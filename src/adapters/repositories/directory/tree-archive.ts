import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { extract as tarParser } from 'tar-stream';
import { pipeline } from 'node:stream/promises';
import type { CopyStore, Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';

type Entry = CopyStore['entries'] extends (...args: never[]) => AsyncIterable<infer Item> ? Item : never;

/** As long as the largest tree takes; the caller's signal is what ends it. */
const LONGEST_MS = 7 * 24 * 3_600_000;
const MESSAGES_BYTES = 16 * 1024 * 1024;
const ENVIRONMENT = { LC_ALL: 'C.UTF-8', TZ: 'UTC' };

export interface Archived<T> {
  readonly taken: T;
  readonly files: number;
  readonly unreadable: readonly string[];
  readonly changed: readonly string[];
}

/**
 * The tree as a tar, with GNU tar. Names go in by a list that ends each with a zero byte, so that none of them is an option,
 * a pattern or two lines.
 */
export async function archive<T>(
  what: { readonly paths: readonly string[]; readonly exclude: readonly string[]; readonly index: string },
  take: (content: AsyncIterable<Uint8Array>) => Promise<T>,
  { programs, doing }: { readonly programs: ProgramsPort; readonly doing: Doing },
): Promise<Archived<T>> {
  try {
    const { exitCode, signal, stderr, taken } = await programs.stream(
      {
        program: 'tar',
        args: [
          '--create',
          '--file=-',
          '--format=posix',
          // Without the times of reading and of moving: the same tree is the same bytes again.
          '--pax-option=delete=atime,delete=ctime',
          '--blocking-factor=128',
          '--numeric-owner',
          '--sparse',
          '--acls',
          '--xattrs',
          '--xattrs-include=*',
          '--ignore-failed-read',
          '--quoting-style=escape',
          '--verbose',
          `--index-file=${what.index}`,
          ...what.exclude.flatMap(excludeArguments),
          '--null',
          '--verbatim-files-from',
          '--files-from=-',
        ],
        env: ENVIRONMENT,
        input: nameList(what.paths),
        timeoutMs: LONGEST_MS,
        outputLimit: MESSAGES_BYTES,
        signal: doing.signal,
      },
      take,
    );
    // 1 is 'some files changed'; what it says in words is looked at below.
    if (signal !== null || (exitCode !== 0 && exitCode !== 1)) throw tarFailed('The tree could not be read', stderr);
    return { taken, files: await countFiles(what.index), ...told(stderr) };
  } finally {
    await rm(what.index, { force: true });
  }
}

/** Below a folder that is empty. tar itself refuses members that lead out of it, and makes links last. */
export async function unpack(
  content: AsyncIterable<Uint8Array>,
  to: { readonly folder: string; readonly only?: readonly string[] | undefined },
  { programs, doing }: { readonly programs: ProgramsPort; readonly doing: Doing },
): Promise<void> {
  const root = process.getuid?.() === 0;
  const { exitCode, signal, stderr } = await programs.stream(
    {
      program: 'tar',
      args: [
        '--extract',
        '--file=-',
        `--directory=${to.folder}`,
        '--numeric-owner',
        '--preserve-permissions',
        '--delay-directory-restore',
        '--acls',
        '--xattrs',
        ...(root ? ['--same-owner', '--xattrs-include=*'] : ['--no-same-owner']),
        '--quoting-style=escape',
        '--',
        ...(to.only ?? []).map(memberName),
      ],
      env: ENVIRONMENT,
      input: content,
      timeoutMs: LONGEST_MS,
      signal: doing.signal,
    },
    async (output) => {
      for await (const _ of output);
    },
  );
  if (signal === null && exitCode === 0) return;
  const missing = /^\S*tar: (.+): Not found in archive$/m.exec(stderr)?.[1];
  if (missing !== undefined)
    throw new StewardError('NOT_FOUND', `/${unescape(missing)} is not in this copy.`, {
      hint: 'Browse the copy for what is in it.',
    });
  throw tarFailed(`The tree could not be put below ${to.folder}`, stderr);
}

export async function* listArchive(content: AsyncIterable<Uint8Array>): AsyncGenerator<Entry> {
  const parser = tarParser();
  const flow = pipeline(content, parser);
  flow.catch(() => {});
  try {
    for await (const entry of parser) {
      const { name, type, size, pax } = entry.header;
      const sparse = pax as { 'GNU.sparse.name'?: string; 'GNU.sparse.realsize'?: string } | null;
      yield {
        path: `/${(sparse?.['GNU.sparse.name'] ?? name).replace(/^\/+/, '').replace(/\/$/, '')}`,
        kind: KINDS[type ?? 'file'] ?? 'other',
        bytes: Number(sparse?.['GNU.sparse.realsize'] ?? size),
      };
      entry.resume();
    }
    await flow;
  } finally {
    parser.destroy();
  }
}

const KINDS: Partial<Record<string, Entry['kind']>> = {
  file: 'file',
  'contiguous-file': 'file',
  // Another name of a file that is in it already.
  link: 'file',
  symlink: 'link',
  directory: 'directory',
};

/** tar's own patterns, made to mean what CopyWriter.tree promises: * stays within a name, and / at the beginning is the root. */
function excludeArguments(pattern: string): readonly string[] {
  const anchor = pattern.startsWith('/') ? '--anchored' : '--no-anchored';
  return [anchor, '--wildcards', '--no-wildcards-match-slash', `--exclude=${pattern.replace(/\/+$/, '')}`];
}

async function* nameList(paths: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const path of paths) yield Buffer.from(`${path}\0`);
}

function memberName(path: string): string {
  return path.replace(/^\/+/, '').replace(/\/+$/, '');
}

/** What tar wrote down of what it took, a line each; folders end in a slash. */
async function countFiles(index: string): Promise<number> {
  let files = 0;
  let last = 0x0a;
  for await (const chunk of createReadStream(index) as AsyncIterable<Buffer>) {
    for (const byte of chunk) {
      if (byte === 0x0a && last !== 0x2f) files += 1;
      last = byte;
    }
  }
  return files;
}

const COMPLAINT =
  /^\S*tar: (.+): (?:(Cannot .+|Read error .+|File removed before we read it)|(file changed as we read it|File shrank by .+))$/;

function told(stderr: string): { unreadable: string[]; changed: string[] } {
  const unreadable = new Set<string>();
  const changed = new Set<string>();
  for (const line of stderr.split('\n')) {
    const [, name = '', unread, moved] = COMPLAINT.exec(line) ?? [];
    const path = unescape(name.replace(/: Warning$/, ''));
    if (unread !== undefined) unreadable.add(path);
    if (moved !== undefined) changed.add(path);
  }
  return { unreadable: [...unreadable], changed: [...changed] };
}

/** The way tar writes names in its messages: \n, \\, \303\274. */
function unescape(name: string): string {
  const letters: Record<string, number> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 };
  const bytes: Buffer[] = [];
  for (const [, octal, letter, plain] of name.matchAll(/\\([0-7]{3})|\\(.)|([^\\]+)/gs)) {
    if (octal !== undefined) bytes.push(Buffer.from([Number.parseInt(octal, 8)]));
    else if (letter !== undefined)
      bytes.push(letter in letters ? Buffer.from([letters[letter] ?? 0]) : Buffer.from(letter));
    else bytes.push(Buffer.from(plain ?? ''));
  }
  return Buffer.concat(bytes).toString('utf8');
}

function tarFailed(what: string, stderr: string): StewardError {
  const said = stderr.trim().split('\n').slice(0, 3).join('; ') || 'tar said nothing';
  if (/No space left on device|Disk quota exceeded/.test(stderr))
    return new StewardError('DISK_FULL', `${what}: no space is left (${said}).`, {
      hint: 'Free some space on that disk.',
    });
  return new StewardError('PROGRAM_FAILED', `${what}: ${said}.`, { hint: 'GNU tar is expected as tar on the PATH.' });
}
