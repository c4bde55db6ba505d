import { mkdir } from 'node:fs/promises';
import type { Part } from '../../../core/backup/copy.ts';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import type { CopyWriter, Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import { AS_LONG_AS_IT_TAKES_MS, createTurns, dumpInto } from '../flow.ts';

/** A folder as one part, with paths from there: a person unpacks it anywhere. */
export async function packFolder(
  { programs, writer, folder, name }: { programs: ProgramsPort; writer: CopyWriter; folder: string; name: string },
  doing: Doing,
): Promise<Part> {
  const args = ['--create', '--file=-', '--sort=name', '--numeric-owner', `--directory=${folder}`, '.'];
  const { part, result } = await dumpInto(
    programs,
    { program: 'tar', args, env: { LC_ALL: 'C' } },
    { writer, turns: createTurns(), part: { name, kind: 'image' }, doing },
  );
  if (part && result.exitCode === 0) return part;
  throw new StewardError('PROGRAM_FAILED', `tar could not pack ${name}: ${result.stderr.trim().slice(-300)}`);
}

/** Makes the folder and unpacks a part of the copy there. Whose the files are is who unpacks them. */
export async function unpackPart(
  { programs, copy, part, folder }: { programs: ProgramsPort; copy: SealedCopy; part: Part; folder: string },
  doing: Doing,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { exitCode, stderr } = await programs.stream(
    {
      program: 'tar',
      args: ['--extract', '--file=-', '--preserve-permissions', '--no-same-owner', `--directory=${folder}`],
      env: { LC_ALL: 'C' },
      timeoutMs: AS_LONG_AS_IT_TAKES_MS,
      signal: doing.signal,
      input: copy.store.read(copy.location, part, doing),
    },
    async () => undefined,
  );
  if (exitCode === 0) return;
  const full = /No space left on device/.test(stderr);
  throw new StewardError(
    full ? 'DISK_FULL' : 'VERIFICATION_FAILED',
    `${part.name} could not be unpacked into ${folder}: ${stderr.trim().slice(-300)}`,
    { hint: full ? 'Free some space there.' : 'Use another copy.' },
  );
}

/** The names in a part, without unpacking it. */
export async function listPart(
  { programs, copy, part }: { programs: ProgramsPort; copy: SealedCopy; part: Part },
  doing: Doing,
): Promise<string[]> {
  const { taken, exitCode, stderr } = await programs.stream(
    {
      program: 'tar',
      args: ['--list', '--file=-', '--quoting-style=literal'],
      env: { LC_ALL: 'C' },
      timeoutMs: AS_LONG_AS_IT_TAKES_MS,
      signal: doing.signal,
      input: copy.store.read(copy.location, part, doing),
    },
    async (output) => {
      const decoder = new TextDecoder();
      let text = '';
      for await (const chunk of output) text += decoder.decode(chunk, { stream: true });
      return text;
    },
  );
  if (exitCode !== 0)
    throw new StewardError('VERIFICATION_FAILED', `${part.name} is no archive: ${stderr.trim().slice(-200)}`);
  return taken.split('\n').filter((name) => name !== '');
}
