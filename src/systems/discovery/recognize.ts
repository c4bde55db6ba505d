import type { Recognition, Recognizer } from '../../core/recognizer.ts';
import type { Clues } from './clues.ts';
import { hintsOf, identify, versionArgsOf } from './identify.ts';
import { type Identified, type Matched, processOf } from './match.ts';
import { type Look, toTrace } from './trace.ts';

/** A port that says nothing is looked at again only while its process may still have been starting. */
const STARTING_MS = 2 * 60_000;
/** Scans follow each other quickly while much changes; a port that said nothing just now says nothing yet. */
const SAID_NOTHING_MS = 5_000;
/** Another process may have come to a port whose process cannot be seen. */
const UNSEEN_MS = 60 * 60_000;
const MAX_PORTS = 16;

export interface RecognizeDeps {
  readonly recognizer: Recognizer;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

/** Names one service. What the same process showed at an earlier scan is not asked again. */
export async function recognize({ observation, known }: Matched, deps: RecognizeDeps): Promise<Identified> {
  const { root, container, unit } = observation;
  const trace = known && toTrace(known.trace);
  const process = processOf(observation) ?? container?.id ?? 'unseen';
  const same = trace !== undefined && trace.process === processOf(observation) && processOf(observation) !== undefined;
  const app = same ? trace.app : root && (await deps.recognizer.app(root));
  const args = versionArgsOf(root);
  const programVersion = same
    ? trace.programVersion
    : root && args && !container
      ? await deps.recognizer.programVersion(root.executable, args)
      : undefined;
  const clues: Omit<Clues, 'recognitions'> = {
    process: root && { executable: root.executable, argv: root.argv },
    app,
    unit: unit?.name,
    container: container && {
      image: container.image,
      name: container.name,
    },
    programVersion,
  };
  const hints = hintsOf(clues);

  const since = root?.startedAt ?? known?.resource.firstSeen;
  const settled = since !== undefined && deps.now().getTime() - since.getTime() > STARTING_MS;
  const looks: Record<string, Look> = {};
  const recognitions = await Promise.all(
    observation.reachable
      .slice(0, MAX_PORTS)
      .map(async ({ address, port }): Promise<{ port: number; recognition: Recognition }> => {
        const key = `${address} ${port}`;
        const fingerprint = `${process} ${root?.executable ?? ''}`;
        const earlier = trace?.looks[key];
        const age = Math.abs(deps.now().getTime() - Date.parse(earlier?.at ?? '1970-01-01'));
        const final = earlier?.recognition.answer === 'spoke' || earlier?.settled === true;
        const valid =
          earlier?.process === fingerprint &&
          (age < SAID_NOTHING_MS || (final && (process !== 'unseen' || age < UNSEEN_MS)));
        const recognition = valid
          ? earlier.recognition
          : await deps.recognizer.look({ address, port, hints }, deps.signal);
        looks[key] = valid ? earlier : { process: fingerprint, recognition, settled, at: deps.now().toISOString() };
        return { port, recognition };
      }),
  );
  const identification = keepWhatWasKnown(
    identify({ ...clues, recognitions }),
    recognitions.every(({ recognition }) => recognition.answer !== 'spoke') &&
      (root === undefined || trace?.signature?.executable === observation.signature?.executable),
    known,
  );

  return { observation, known, identification, looks, app, programVersion };
}

/** Stopped, or just starting: it cannot be asked, and what it was recognized as still holds. */
function keepWhatWasKnown(
  identification: ReturnType<typeof identify>,
  silent: boolean,
  known: Matched['known'],
): ReturnType<typeof identify> {
  const before = known?.resource;
  if (!before || !silent || before.confidence <= identification.confidence) return identification;
  return { product: before.product, version: before.version, confidence: before.confidence, evidence: before.evidence };
}
