import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SourceOf } from '../../../core/backup/source.ts';
import { StewardError } from '../../../core/errors.ts';
import { type ScratchFolder, sweepScratch, writeAtOnce } from '../scratch.ts';
import type { VolumeEngine, VolumeUser } from './engine.ts';

/** Of its folders. */
export const VOLUME_KIND = 'volume';
const RECORD = 'quiesced.json';
const GONE: ReadonlySet<string> = new Set(['NOT_FOUND', 'CONFLICT']);

/** What has to be done so that everything goes on; on disk before anything is brought to rest. */
interface Quiesced {
  readonly paused: readonly string[];
  readonly after?: { readonly container: string; readonly command: readonly string[] } | undefined;
}

/**
 * Brings to rest whoever writes to the volume, does the work, and lets them go on: also where the work fails, and, by what is
 * written down here, after Steward was killed. Whom an earlier attempt could not let go on goes on with this one, not amid it.
 */
export async function atRest<T>(
  engine: VolumeEngine,
  { name, quiesce, volume }: SourceOf<'volume'>,
  users: readonly VolumeUser[],
  { folder, scratch }: { readonly folder: ScratchFolder; readonly scratch: string },
  work: () => Promise<T>,
): Promise<T> {
  const running = users.filter(({ state }) => state === 'running');
  const [first] = running;
  const resting = quiesce.pause ? running.map(({ id }) => id) : [];
  const after = quiesce.after && first ? { container: first.id, command: quiesce.after } : undefined;
  let quiesced: Quiesced = { paused: resting, after };
  await record(folder, quiesced);
  await sweepScratch(scratch, VOLUME_KIND, { deadOf: name }, async (left) => {
    const earlier = await recordIn(left);
    if (!earlier) return;
    const paused = [...new Set([...quiesced.paused, ...earlier.paused])];
    quiesced = { paused, after: quiesced.after ?? earlier.after };
    await record(folder, quiesced);
  });
  const [done] = await Promise.allSettled([
    (async () => {
      if (quiesce.before && first) await engine.exec(first.id, quiesce.before);
      for (const id of resting) await engine.pause(id);
      return await work();
    })(),
  ]);
  const failures = await goOn(engine, quiesced);
  if (failures.length > 0) {
    await folder.leave();
    const why = done.status === 'rejected' ? `${StewardError.from(done.reason).message} And whoever` : 'Whoever';
    throw notGoingOn(`${why} uses ${volume} was not let go on`, failures);
  }
  if (done.status === 'rejected') throw done.reason;
  return done.value;
}

/** For a folder that a dead process left. */
export async function goOnAfter(engine: VolumeEngine, folder: string): Promise<void> {
  const quiesced = await recordIn(folder);
  if (!quiesced) return;
  // Where the container is gone or stopped by now there is nobody to let go on.
  const failures = (await goOn(engine, quiesced)).filter(({ code }) => !GONE.has(code));
  if (failures.length > 0) throw notGoingOn('Whoever was brought to rest was not let go on', failures);
}

/** Each of them, whatever becomes of the others. */
async function goOn(engine: VolumeEngine, { paused, after }: Quiesced): Promise<readonly StewardError[]> {
  const steps = [
    ...paused.map((id) => () => engine.unpause(id)),
    ...(after ? [() => engine.exec(after.container, after.command)] : []),
  ];
  const failures: StewardError[] = [];
  for (const step of steps) await step().catch((thrown: unknown) => void failures.push(StewardError.from(thrown)));
  return failures;
}

function notGoingOn(what: string, failures: readonly StewardError[]): StewardError {
  const [first] = failures;
  return new StewardError(
    first?.code ?? 'PROGRAM_FAILED',
    `${what}: ${failures.map(({ message }) => message).join(' ')}`,
    {
      hint: 'The next backup tries it again. By hand: docker unpause, and what `after` of this source says.',
      cause: first,
    },
  );
}

const record = ({ path }: ScratchFolder, quiesced: Quiesced): Promise<void> =>
  writeAtOnce(join(path, RECORD), JSON.stringify(quiesced));

async function recordIn(folder: string): Promise<Quiesced | undefined> {
  const text = await readFile(join(folder, RECORD), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Quiesced);
}
