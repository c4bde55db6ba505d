import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import type { LayerResult } from '../../core/backup/copy.ts';
import { Targets } from '../../core/backup/targets.ts';
import { VerificationReport } from '../../core/backup/verification.ts';
import { StewardError } from '../../core/errors.ts';
import { mustBeConfigured } from '../../core/backup/pick.ts';
import type { CopyRecord } from '../../core/ports/copies.ts';
import { expectedPlaces, MOST, toVerify } from './analyze.ts';
import { naming } from '../../core/naming.ts';

export default defineAutomation({
  name: 'verify-backups',
  version: 1,
  title: 'Verify backups',
  summary:
    'Reads copies again and restores them into a throw-away place, counts what came back, and measures how long it took.',
  category: 'backup',
  effect: 'write',
  priority: 'P0',
  ifMissed: 'a backup that does not restore is found out when it is needed',
  load: 'io',
  needs: ['backups', 'copies'],
  cli: ['backup', 'verify'],
  cliArguments: ['sources'],
  input: z.object({
    sources: z
      .array(naming('source', z.string().min(1)))
      .optional()
      .describe('Only copies of these sources.'),
    targets: Targets,
    copy: naming('copy', z.string()).optional().describe('Only this copy; it is read and restored.'),
    read: z
      .enum(['new', 'all', 'none'])
      .default('new')
      .describe('Whose bytes are read again: copies that nobody has read yet, or all.'),
    restore: z
      .enum(['one', 'databases', 'all', 'none'])
      .default('one')
      .describe('What is restored: the source whose turn it is, every database, everything.'),
  }),
  output: VerificationReport,
  examples: [
    { title: 'As every morning', input: {} },
    { title: 'Everything, as on the first of a month', input: { read: 'all', restore: 'all' } },
  ],
  safeguards: { timeout: '1h', limit: 'long', limitOf: 'change', retry: { attempts: 2, backoff: '5s' } },

  async analyze({ input, ports, now, node, signal }) {
    const copies = await ports.copies.find({ status: 'complete' });
    if (input.copy !== undefined) mustBeReached(copies, input.copy, ports.backups.repositories());
    const { verificationMs, verifyAll, nearlyFull } = ports.copies.rules();
    const sources = ports.backups.sources();
    const restore = verifyAll && input.restore === 'one' ? 'all' : input.restore;
    const expected = expectedPlaces(sources, ports.backups.repositories(), input);
    const wanted = toVerify({
      copies,
      sources,
      repositories: ports.backups.repositories(),
      input: { ...input, restore },
    });
    // A place that no source goes to is made by nobody.
    const used = new Set(expectedPlaces(sources, ports.backups.repositories(), {}).map(({ repository }) => repository));
    const repositories = await Promise.all(
      [...used].map(async (name) => {
        try {
          const { ok, problem, ...room } = await ports.backups.state(name, { signal });
          const lock = ok ? await ports.backups.objectLock(name, { signal }) : undefined;
          const unsafe = lock && lock.state !== 'locked' ? lock.message : undefined;
          return {
            name,
            ok: ok && unsafe === undefined,
            message: problem?.message ?? unsafe ?? null,
            ...roomOf(room, nearlyFull),
          };
        } catch (thrown) {
          if (signal.aborted) throw thrown;
          return { name, ok: false, message: StewardError.from(thrown).message, ...roomOf({}, nearlyFull) };
        }
      }),
    );
    return {
      at: now().toISOString(),
      node: node.name,
      // The daily look has a limit; somebody who asks for all of it has the time.
      limitMs: input.copy === undefined && input.read === 'new' && restore === 'one' ? verificationMs : null,
      chosen: wanted.slice(0, MOST),
      above: wanted.slice(MOST).map(({ copy }) => copy),
      missing: expected
        .filter(
          ({ source, repository }) => !copies.some((copy) => copy.source === source && copy.repository === repository),
        )
        .map(({ source, repository }) => `${source} in ${repository}`),
      repositories,
    };
  },

  async plan(_ctx, { chosen }) {
    return chosen.map(({ copy, source, repository, at, read, restore }) => ({
      id: copy,
      title: `${restore ? (read ? 'Read and restore' : 'Restore') : 'Read'} the copy of ${source} from ${at} in ${repository}`,
      reason: restore ? 'Into a throw-away place that nothing else reaches; it is removed afterwards.' : undefined,
      undo: 'none' as const,
      additive: true,
    }));
  },

  basis: ({ chosen }) => ({ copies: chosen.map(({ copy }) => copy) }),

  async execute({ ports, run, signal, now, progress }, { id }, { facts }): Promise<Looked> {
    const wanted = facts.chosen.find(({ copy }) => copy === id);
    const [row] = await ports.copies.find({ id });
    if (!wanted || row?.status !== 'complete' || row.location === null) return POSTPONED;
    if (facts.limitMs !== null && now().getTime() - Date.parse(facts.at) > facts.limitMs) return POSTPONED;
    const place = { source: row.source, repository: row.repository, location: row.location };
    const doing = {
      signal,
      progress: ({ bytes, message }: { bytes: number; message?: string }) =>
        progress({ done: bytes, message: message ?? `${row.source}: ${bytes} bytes` }),
    };
    const layers: LayerResult[] = [];
    let obstacle: string | null = null;
    const look = async (layer: LayerResult['layer'], what: () => Promise<readonly LayerResult[]>): Promise<boolean> => {
      try {
        layers.push(...(await twice(layer, what, signal)));
      } catch (thrown) {
        const error = StewardError.from(thrown);
        if (signal.aborted || error.code === 'CANCELED') throw thrown;
        if (isOfTheCopy(error)) layers.push(faultOf(layer, error));
        else obstacle = `${layer}: ${error.message}`;
      }
      return obstacle === null && layers.every(({ ok }) => ok);
    };
    // What is broken below is not restored on top of it.
    const sound =
      (!wanted.read || (await look('bytes', async () => [await ports.backups.inspect(place, 'bytes', doing)]))) &&
      (await look('structure', async () => [await ports.backups.inspect(place, 'structure', doing)]));
    if (sound && wanted.restore)
      await look('restore', async () => {
        // A drill that was killed has left a server and its files.
        await ports.backups.sweep({ signal });
        await ports.copies.trying(id);
        const drilled = await ports.backups.drill(place, run.id, doing);
        obstacle = drilled.obstacle ?? null;
        return drilled.layers;
      });
    await ports.copies.looked(id, layers, wanted.restore ? (obstacle ?? undefined) : undefined);
    // What the first try found is on record; the run has no more time all the same.
    signal.throwIfAborted();
    return { looked: true, layers, obstacle };
  },

  async verify({ ports, input }, { facts, applied }) {
    const looked = applied.filter(({ receipt }) => receipt.looked);
    const looks = await Promise.all(
      looked.map(async ({ change: { id }, receipt: { layers, obstacle } }) => {
        const wanted = facts.chosen.find(({ copy }) => copy === id);
        const [row] = await ports.copies.find({ id });
        const wrong = layers.find(({ ok }) => !ok);
        // It is no proof and no fault. Whoever asks for this very copy wanted the proof.
        if (!wrong && obstacle !== null)
          return {
            name: `What could be looked at of the copy of ${wanted?.source ?? id} in ${wanted?.repository ?? 'its repository'} is sound`,
            ok: input.copy === undefined,
            evidence: {
              copy: id,
              notLookedAt: obstacle,
              layers: layers.map(({ layer, statement }) => `${layer}: ${statement}`),
            },
          };
        return {
          name: `The copy of ${wanted?.source ?? id} in ${wanted?.repository ?? 'its repository'} is ${wanted?.restore ? (layers.some(({ unsure }) => unsure) ? 'proven in part' : 'proven') : 'sound'}`,
          ok: !wrong && (!wanted?.restore || (row?.provenAt ?? null) !== null),
          evidence: wrong
            ? { copy: id, layer: wrong.layer, statement: wrong.statement, evidence: wrong.evidence ?? null }
            : { copy: id, layers: layers.map(({ layer, statement }) => `${layer}: ${statement}`) },
        };
      }),
    );
    // That a source has no copy yet is in the report; whether it should have one by now is for the watch to say.
    if (looked.length === 0 || looked.some(({ receipt: { layers } }) => layers.length > 0)) return looks;
    const why = looked.map(({ receipt: { obstacle } }) => obstacle);
    return [...looks, { name: 'Any copy could be looked at', ok: false, evidence: { notLookedAt: [...new Set(why)] } }];
  },

  record({ facts, applied }) {
    const copies = applied
      .filter(({ receipt }) => receipt.looked)
      .map(({ change: { id }, receipt: { layers, obstacle } }) => {
        const { source, kind, repository } = facts.chosen.find(({ copy }) => copy === id) ?? NOTHING;
        const restored = layers.find(({ layer }) => layer === 'restore');
        const unsure = layers.find((layer) => layer.unsure)?.unsure;
        const ok = obstacle === null && layers.every((layer) => layer.ok);
        return {
          copy: id,
          source,
          kind,
          repository,
          ok,
          proven: ok && restored !== undefined && unsure === undefined,
          ...(unsure && { unsure }),
          ...(restored && { restoreSeconds: Math.round(restored.durationMs) / 1_000 }),
          layers: [...layers],
          ...(obstacle !== null && { notLookedAt: obstacle }),
        };
      });
    const postponed = [
      ...applied.filter(({ receipt }) => !receipt.looked).map(({ change: { id } }) => id),
      ...facts.above,
    ];
    const nothingSeen = copies.length === 0 && postponed.length > 0;
    return {
      at: new Date(facts.at),
      node: facts.node,
      ok:
        copies.every(({ ok }) => ok) &&
        !nothingSeen &&
        facts.missing.length === 0 &&
        facts.repositories.every(({ ok, room }) => ok && room !== 'short'),
      complete:
        postponed.length === 0 &&
        facts.missing.length === 0 &&
        copies.every(({ notLookedAt }) => notLookedAt === undefined),
      copies,
      postponed,
      missing: facts.missing,
      repositories: facts.repositories.map(({ name, ok, message, freeBytes, totalBytes, room }) => ({
        name,
        ok,
        room,
        ...(message !== null && { message }),
        ...(freeBytes !== null && { freeBytes }),
        ...(totalBytes !== null && { totalBytes }),
      })),
    };
  },
});

interface Room {
  readonly freeBytes: number | null;
  readonly totalBytes: number | null;
  readonly room: 'enough' | 'short' | 'unknown';
}

function roomOf(
  { freeBytes, totalBytes }: { readonly freeBytes?: number | undefined; readonly totalBytes?: number | undefined },
  nearlyFull: number,
): Room {
  const said = { freeBytes: freeBytes ?? null, totalBytes: totalBytes ?? null };
  if (freeBytes === undefined || !totalBytes) return { ...said, room: 'unknown' };
  return { ...said, room: 100 - (100 * freeBytes) / totalBytes > nearlyFull ? 'short' : 'enough' };
}

/** Who asks for one copy is told why it is not looked at. */
function mustBeReached(
  copies: readonly CopyRecord[],
  copy: string,
  repositories: readonly { readonly name: string }[],
): void {
  const found = copies.find(({ id }) => id === copy);
  if (!found)
    throw new StewardError('NOT_FOUND', `There is no whole copy '${copy}' on this machine.`, {
      hint: 'steward backup history shows those there are.',
    });
  mustBeConfigured(found, repositories);
}

const NOTHING = { source: '', kind: '', repository: '' };

interface Looked {
  readonly looked: boolean;
  readonly layers: readonly LayerResult[];
  /** What kept it from being looked at further, where that says nothing of the copy. */
  readonly obstacle: string | null;
}

const POSTPONED: Looked = { looked: false, layers: [], obstacle: null };

/**
 * A line that broke while it was read looks like damage: what is damaged is so again. Where the time does not suffice for the second
 * try, what the first found stands: a large copy that is damaged must not end as one that nobody could look at.
 */
async function twice(
  layer: LayerResult['layer'],
  what: () => Promise<readonly LayerResult[]>,
  signal: AbortSignal,
): Promise<readonly LayerResult[]> {
  let first: readonly LayerResult[];
  try {
    first = await what();
    if (first.every((each) => each.ok || !READING.has(each.layer))) return first;
  } catch (thrown) {
    const error = StewardError.from(thrown);
    if (signal.aborted || !(isOfTheCopy(error) || error.code === 'PROGRAM_FAILED')) throw thrown;
    first = isOfTheCopy(error) ? [faultOf(layer, error)] : [];
  }
  try {
    return await what();
  } catch (thrown) {
    const outOfTime = signal.aborted && StewardError.from(signal.reason).code === 'TIMEOUT';
    if (outOfTime && first.length > 0) return first;
    throw thrown;
  }
}

const faultOf = (layer: LayerResult['layer'], { code, message }: StewardError): LayerResult => ({
  layer,
  ok: false,
  statement: message,
  durationMs: 0,
  evidence: { code },
});
const READING: ReadonlySet<LayerResult['layer']> = new Set(['bytes', 'structure', 'restore']);

/** That a copy is not what it should be or is not there is a finding; that this machine has no room, or no program that reads it, is none. */
function isOfTheCopy({ code }: StewardError): boolean {
  return code === 'VERIFICATION_FAILED' || code === 'NOT_FOUND';
}
