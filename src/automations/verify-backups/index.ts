import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import type { LayerResult } from '../../core/backup/copy.ts';
import { VerificationReport } from '../../core/backup/verification.ts';
import { StewardError } from '../../core/errors.ts';
import { expectedPlaces, toVerify } from './analyze.ts';

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
    sources: z.array(z.string().min(1)).optional().describe('Only copies of these sources.'),
    copy: z.string().optional().describe('Only this copy; it is read and restored.'),
    read: z
      .enum(['new', 'all', 'none'])
      .default('new')
      .describe('Whose bytes are read again: copies that nobody has read yet, or all.'),
    restore: z
      .enum(['one', 'databases', 'all', 'none'])
      .default('one')
      .describe('What is restored: the source whose proof is the oldest, every database, everything.'),
  }),
  output: VerificationReport,
  examples: [
    { title: 'As every morning', input: {} },
    { title: 'Everything, as on the first of a month', input: { read: 'all', restore: 'all' } },
  ],
  safeguards: { timeout: '1h', limit: 'long', retry: { attempts: 2, backoff: '5s' } },

  async analyze({ input, ports, now, node, signal }) {
    const copies = await ports.copies.find({ status: 'complete' });
    if (input.copy !== undefined && !copies.some(({ id }) => id === input.copy))
      throw new StewardError('NOT_FOUND', `There is no whole copy '${input.copy}' on this machine.`, {
        hint: 'steward backup history shows those there are.',
      });
    const { verificationMs, verifyAll } = ports.copies.rules();
    const sources = ports.backups.sources();
    const restore = verifyAll && input.restore === 'one' ? 'all' : input.restore;
    const expected = expectedPlaces(sources, ports.backups.repositories(), input.sources);
    const repositories = await Promise.all(
      ports.backups.repositories().map(async ({ name }) => {
        try {
          const { ok, problem, freeBytes, totalBytes } = await ports.backups.state(name, { signal });
          return {
            name,
            ok,
            message: problem?.message ?? null,
            freeBytes: freeBytes ?? null,
            totalBytes: totalBytes ?? null,
          };
        } catch (thrown) {
          if (signal.aborted) throw thrown;
          return { name, ok: false, message: StewardError.from(thrown).message, freeBytes: null, totalBytes: null };
        }
      }),
    );
    return {
      at: now().toISOString(),
      node: node.name,
      // The daily look has a limit; somebody who asks for all of it has the time.
      limitMs: input.copy === undefined && restore === 'one' ? verificationMs : null,
      chosen: toVerify({ copies, sources, input: { ...input, restore } }),
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

  async execute({ ports, run, signal, now, progress }, { id }, { facts }) {
    const wanted = facts.chosen.find(({ copy }) => copy === id);
    const [row] = await ports.copies.find({ id });
    if (!wanted || row?.status !== 'complete' || row.location === null) return { looked: false, layers: [] };
    if (facts.limitMs !== null && now().getTime() - Date.parse(facts.at) > facts.limitMs)
      return { looked: false, layers: [] };
    const place = { source: row.source, repository: row.repository, location: row.location };
    const doing = {
      signal,
      progress: ({ bytes, message }: { bytes: number; message?: string }) =>
        progress({ done: bytes, message: message ?? `${row.source}: ${bytes} bytes` }),
    };
    const layers: LayerResult[] = [];
    const look = async (what: () => Promise<readonly LayerResult[]>, layer: LayerResult['layer']): Promise<boolean> => {
      layers.push(...(await what().catch((thrown: unknown) => [unsound(layer, thrown, signal)])));
      return layers.every(({ ok }) => ok);
    };
    // What is broken below is not restored on top of it.
    const sound =
      (!wanted.read || (await look(async () => [await ports.backups.inspect(place, 'bytes', doing)], 'bytes'))) &&
      (await look(async () => [await ports.backups.inspect(place, 'structure', doing)], 'structure'));
    if (sound && wanted.restore) {
      // A drill that was killed has left a server and its files.
      await ports.backups.sweep({ signal });
      await look(() => ports.backups.drill(place, run.id, doing), 'restore');
    }
    await ports.copies.looked(id, layers);
    return { looked: true, layers };
  },

  async verify({ ports }, { facts, applied }) {
    const looks = await Promise.all(
      applied
        .filter(({ receipt }) => receipt.looked)
        .map(async ({ change: { id }, receipt: { layers } }) => {
          const wanted = facts.chosen.find(({ copy }) => copy === id);
          const [row] = await ports.copies.find({ id });
          const wrong = layers.find(({ ok }) => !ok);
          return {
            name: `The copy of ${wanted?.source ?? id} in ${wanted?.repository ?? 'its repository'} is ${wanted?.restore ? 'proven' : 'sound'}`,
            ok: !wrong && (!wanted?.restore || (row?.provenAt ?? null) !== null),
            evidence: wrong
              ? { copy: id, layer: wrong.layer, statement: wrong.statement, evidence: wrong.evidence ?? null }
              : { copy: id, layers: layers.map(({ layer, statement }) => `${layer}: ${statement}`) },
          };
        }),
    );
    // That a source has no copy yet is in the report; whether it should have one by now is for the watch to say.
    return looks;
  },

  record({ facts, applied }) {
    const copies = applied
      .filter(({ receipt }) => receipt.looked)
      .map(({ change: { id }, receipt: { layers } }) => {
        const { source, kind, repository } = facts.chosen.find(({ copy }) => copy === id) ?? NOTHING;
        const restored = layers.find(({ layer }) => layer === 'restore');
        const ok = layers.every((layer) => layer.ok);
        return {
          copy: id,
          source,
          kind,
          repository,
          ok,
          proven: ok && restored !== undefined,
          ...(restored && { restoreSeconds: Math.round(restored.durationMs) / 1_000 }),
          layers: [...layers],
        };
      });
    return {
      at: new Date(facts.at),
      node: facts.node,
      ok: copies.every(({ ok }) => ok),
      copies,
      postponed: applied.filter(({ receipt }) => !receipt.looked).map(({ change: { id } }) => id),
      missing: facts.missing,
      repositories: facts.repositories.map(({ name, ok, message, freeBytes, totalBytes }) => ({
        name,
        ok,
        ...(message !== null && { message }),
        ...(freeBytes !== null && { freeBytes }),
        ...(totalBytes !== null && { totalBytes }),
      })),
    };
  },
});

const NOTHING = { source: '', kind: '', repository: '' };

/** That a copy cannot even be looked at is a finding about it, unless nobody could have looked. */
function unsound(layer: LayerResult['layer'], thrown: unknown, signal: AbortSignal): LayerResult {
  const error = StewardError.from(thrown);
  if (signal.aborted || error.code === 'UNAVAILABLE' || error.code === 'LOCKED') throw thrown;
  return { layer, ok: false, statement: error.message, durationMs: 0, evidence: { code: error.code } };
}
