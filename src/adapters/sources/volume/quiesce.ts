import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SourceOf } from '../../../core/backup/source.ts';
import { StewardError } from '../../../core/errors.ts';
import type { ScratchFolder } from '../scratch.ts';
import type { VolumeEngine, VolumeUser } from './engine.ts';

const RECORD = 'quiesced.json';
const GONE: ReadonlySet<string> = new Set(['NOT_FOUND', 'CONFLICT']);

/** What has to be done so that everything goes on; on disk before anything is brought to rest. */
interface Quiesced {
  readonly paused: readonly string[];
  readonly after?: { readonly container: string; readonly command: readonly string[] } | undefined;
}

/**
 * Brings to rest whoever writes to the volume, does the work, and lets them go on: also where the work fails, and, by what is
 * written down here, after Steward was killed.
 */
export async function atRest<T>(
  engine: VolumeEngine,
  { quiesce, volume }: SourceOf<'volume'>,
  users: readonly VolumeUser[],
  folder: ScratchFolder,
  work: () => Promise<T>,
): Promise<T> {
  const running = users.filter(({ state }) => state === 'running');
  const [first] = running;
  if ((quiesce.before || quiesce.after) && !first && users.length > 0)
    // Nobody writes, so nobody has to be asked not to.
    return work();
  const after = quiesce.after && first ? { container: first.id, command: quiesce.after } : undefined;
  const paused = quiesce.pause ? running.map(({ id }) => id) : [];
  await writeFile(join(folder.path, RECORD), JSON.stringify({ paused, after } satisfies Quiesced), { mode: 0o600 });
  let result: T;
  try {
    if (quiesce.before && first) await engine.exec(first.id, quiesce.before);
    for (const id of paused) await engine.pause(id);
    result = await work();
  } catch (thrown) {
    await goOn(engine, { paused, after }).catch((second: unknown) => {
      throw new StewardError(
        'PROGRAM_FAILED',
        `${(thrown as Error).message} And whoever uses ${volume} was not let go on: ${(second as Error).message}`,
        { cause: thrown, hint: 'docker unpause, and what `after` of this source says.' },
      );
    });
    throw thrown;
  }
  await goOn(engine, { paused, after });
  return result;
}

/** For a folder that a dead process left. */
export async function goOnAfter(engine: VolumeEngine, folder: string): Promise<void> {
  const text = await readFile(join(folder, RECORD), 'utf8').catch(() => undefined);
  if (text === undefined) return;
  await goOn(engine, JSON.parse(text) as Quiesced).catch((thrown: unknown) => {
    // The container is gone or stopped by now: there is nobody to let go on.
    if (!GONE.has(StewardError.from(thrown).code)) throw thrown;
  });
}

async function goOn(engine: VolumeEngine, { paused, after }: Quiesced): Promise<void> {
  for (const id of paused) await engine.unpause(id);
  if (after) await engine.exec(after.container, after.command);
}
