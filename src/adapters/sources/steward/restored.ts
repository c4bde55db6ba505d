import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LayerResult } from '../../../core/backup/copy.ts';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import type { Doing } from '../../../core/backup/store.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import { compareContents, judge, readContents } from '../contents.ts';
import { evidenceOf } from '../evidence.ts';
import { inOrder } from '../postgres/counting.ts';
import type { ThrowAway } from '../postgres/throw-away.ts';
import type { ScratchFolder } from '../scratch.ts';
import { type Account, handOver } from '../throw-away.ts';
import { unpackPart } from './archive.ts';
import { giveFolder } from './data-folder.ts';
import type { OwnStore } from './own-state.ts';
import { assertStartable, HOME, homePart, KEYS, keysPart, STORE, storePart } from './parts.ts';
import { countStore, startOn } from './server.ts';
import { filesIn } from './stage.ts';

export interface RestoringState {
  readonly copy: SealedCopy;
  readonly folder: ScratchFolder;
  readonly store: Pick<OwnStore, 'program' | 'version'>;
  readonly role: string;
  readonly programs: ProgramsPort;
  readonly account: Account | undefined;
  /** What comes back is to be kept: it is on the disk when the server has stopped. */
  readonly durable: boolean;
}

/** Unpacks a copy below the folder, each part in its own, and starts a server on the store. */
export async function restoreState(
  { copy, folder, store, role, programs, account, durable }: RestoringState,
  doing: Doing,
): Promise<ThrowAway> {
  assertStartable(copy, store);
  await handOver(folder, account);
  await unpackState({ copy, programs, into: folder.path }, doing);
  await giveFolder(join(folder.path, STORE), account);
  return await startOn({ folder, program: store.program, role, programs, account, durable }, doing);
}

export async function unpackState(
  { copy, programs, into }: { readonly copy: SealedCopy; readonly programs: ProgramsPort; readonly into: string },
  doing: Doing,
): Promise<void> {
  const [store, keys] = [storePart(copy), keysPart(copy)];
  const unpack = async (part: Parameters<typeof unpackPart>[0]['part'], folder: string): Promise<void> =>
    await unpackPart({ programs, copy, part, folder: join(into, folder) }, doing);
  if (store) await unpack(store, STORE);
  await unpack(homePart(copy), HOME);
  if (keys) await unpack(keys, KEYS);
}

/** Whether what came back, rows and files, is what was recorded when the copy was made. */
export async function compareState(
  copy: SealedCopy,
  { access, folder }: { readonly access: ThrowAway['access'] | undefined; readonly folder: string },
  doing: Doing,
): Promise<Pick<LayerResult, 'ok' | 'statement' | 'unsure' | 'evidence'>> {
  const found = [...(access ? await countStore(access, doing) : []), ...(await filesIn(folder, doing))];
  const comparison = await compareContents(readContents(copy, doing), inOrder(found));
  return { ...judge(comparison, 'tables and files'), evidence: evidenceOf(comparison) };
}

/** Where its keys are: with the copy, or where it has none in the home that stands for the recovery kit. */
export async function keysOf(
  folder: string,
  otherwise: string,
): Promise<{ readonly path: string; readonly own: boolean }> {
  const path = join(folder, KEYS);
  const own = await stat(path).then(
    () => true,
    () => false,
  );
  return { path: own ? path : otherwise, own };
}
