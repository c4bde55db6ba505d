import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { copyBefore, recoveryPointOf } from '../../core/backup/copy-before.ts';
import { locksOf } from '../../core/backup/original.ts';
import { type BackupSource, DATABASE_KINDS } from '../../core/backup/source.ts';
import { pickCopy } from '../../core/backup/pick.ts';
import { StewardError } from '../../core/errors.ts';
import { naming } from '../../core/naming.ts';

const SAFETY = 'safety-copy';
const RESTORE = 'restore';
const TIDY = 'tidy';

export default defineAutomation({
  name: 'restore-backup',
  version: 1,
  title: 'Restore over the original',
  summary:
    'Puts a copy in the place of the original, after a safety copy of what is there now, so that it can be taken back.',
  category: 'backup',
  effect: 'destructive',
  priority: 'P0',
  ifMissed: 'data that was lost stays lost',
  load: 'io',
  needs: ['backups', 'copies'],
  cli: ['backup', 'restore'],
  cliArguments: ['source'],
  input: z.object({
    source: naming('source', z.string().min(1).describe('Name of the source.')),
    copy: naming('copy', z.string()).optional().describe('Id of the copy; by default the newest proven one.'),
    repository: naming('repository', z.string()).optional().describe('Only a copy in this repository.'),
    safety: z
      .boolean()
      .default(true)
      .describe(
        'Copies what is there first. Without it, what is there is lost: only where it cannot be read any more.',
      ),
  }),
  output: z.object({
    copy: z.string(),
    snapshotAt: z.string().nullable().describe('Of which instant the data is now.'),
    safetyCopy: z.string().nullable().describe('What was there before.'),
    restored: z.array(z.string()),
    setAside: z.array(z.string()).describe('What was replaced and still lies beside it, for you to remove.'),
    seconds: z.number(),
  }),
  examples: [{ title: 'The newest proven copy', input: { source: 'etc' } }],
  safeguards: { timeout: '1h', limit: 'long', limitOf: 'change', retry: { attempts: 1, backoff: '5s' } },

  locks: ({ source }, { backups }, at) => locksOf(backups, [source], at),

  async analyze({ input, ports, signal }) {
    const { id, location, repository, provenAt, unsure, snapshotAt, kind } = await pickCopy(ports, input);
    const place = { source: input.source, repository, location };
    const occupied = await ports.backups.occupied(place, { kind: 'original' }, { signal });
    const { problem } = await ports.backups.examine(input.source, { signal });
    return {
      place,
      kind,
      copy: { id, snapshotAt: snapshotAt?.toISOString() ?? null, proven: provenAt !== null, unsure },
      replaces: [...occupied].slice(0, 100),
      // Nothing there needs no copy.
      safety: input.safety && occupied.length > 0,
      partial: leavesOut(ports.backups.sources().find(({ name }) => name === input.source)),
      unreadable: problem ?? null,
    };
  },

  async validate({ ports, signal }, { place, safety, unreadable }) {
    const structure = await ports.backups.inspect(place, 'structure', { signal });
    return [
      { name: 'The copy can be read', ok: structure.ok, evidence: { statement: structure.statement } },
      {
        name: 'What is there now can be copied first',
        ok: !safety || unreadable === null,
        evidence: unreadable
          ? { ...unreadable, hint: `${unreadable.hint} With --no-safety what is there is lost.` }
          : {},
      },
    ];
  },

  async plan({ ports }, { place, copy, replaces, safety, kind, partial }) {
    const keptFor = ports.copies.rules().retention.safety;
    const tidies = safety && DATABASE_KINDS.has(kind) && !partial;
    return [
      ...(safety
        ? [
            {
              id: SAFETY,
              title: `Copy what is in ${place.source} now to ${place.repository}`,
              reason: `It can be restored like every other copy, and stays for ${keptFor}.`,
              undo: 'none' as const,
              additive: true,
            },
          ]
        : []),
      {
        id: RESTORE,
        title: `Replace ${place.source} (${kind}) by its copy of ${copy.snapshotAt ?? 'an unknown instant'}`,
        reason: [
          replaces.length > 0 ? `Replaced: ${replaces.join(', ')}.` : 'Nothing is there now.',
          safety ? 'What was written since then is only in the safety copy.' : 'What is there now is lost.',
          copy.proven ? '' : 'This copy has not been proven.',
          copy.proven && copy.unsure
            ? `It is proven but for ${copy.unsure.count} that changed while they were copied or could not be read: ${copy.unsure.first.slice(0, 5).join(', ')}.`
            : '',
          tidies || replaces.length === 0 ? '' : 'What is replaced stays beside it, for you to remove.',
          partial ? 'Its copies leave something out: only what is set aside has all of it.' : '',
        ]
          .filter(Boolean)
          .join(' '),
        undo: safety ? ('approval' as const) : ('none' as const),
      },
      // Without a safety copy, what the restore set aside is all that is left of it, and stays.
      // So does that of a source whose copies leave some of it out, as those of files may.
      ...(tidies
        ? [
            {
              id: TIDY,
              title: `Remove what the restore set aside, once ${place.source} is what its copy says`,
              reason: 'The safety copy has it, but for what was written between the two.',
              undo: 'none' as const,
              additive: true,
            },
          ]
        : []),
    ];
  },

  basis: ({ copy, replaces, safety }) => ({ copy: copy.id, replaces, safety }),

  async execute({ ports, run, signal, progress, lease }, { id }, { facts: { place, kind }, receipts }) {
    const doing = {
      signal,
      progress: ({ bytes, message }: { bytes: number; message?: string }) =>
        progress({ done: bytes, message: message ?? `${bytes} bytes` }),
    };
    if (id === SAFETY) {
      const copy = safetyIdOf(run.id);
      const { source, repository } = place;
      await copyBefore(ports, { id: copy, source, kind, repository, runId: run.id }, doing);
      return { copy, what: [], durationMs: 0, kept: [] };
    }
    if (id === TIDY) {
      const { kept = [] } = (receipts.get(RESTORE) ?? {}) as { readonly kept?: readonly string[] };
      const before = await safetyOf(ports, place.source, run.id);
      const whole = await ports.backups.inspect({ ...place, location: before.location }, 'bytes', { signal });
      if (!whole.ok)
        throw new StewardError('VERIFICATION_FAILED', `The safety copy is not whole: ${whole.statement}`, {
          hint: `What was there before is kept: ${kept.join(', ')}.`,
        });
      const compared = await ports.backups.compare(place, { signal });
      if (!compared.ok)
        throw new StewardError(
          'VERIFICATION_FAILED',
          `${place.source} is not what its copy says: ${compared.statement}`,
          {
            hint: 'What was there before is in the safety copy; undo this run to have it back.',
          },
        );
      return { copy: null, what: [...(await ports.backups.discard(place, kept, doing))], durationMs: 0, kept: [] };
    }
    // A node that was thought lost must not restore over what its successor restored; asked again right before it replaces anything.
    await lease();
    const {
      what,
      durationMs,
      kept = [],
    } = await ports.backups.restore(place, { kind: 'original' }, { ...doing, lease, owner: run.id });
    return { copy: null, what: [...what], durationMs, kept: [...kept] };
  },

  async verify({ ports, run, signal }, { facts: { place, safety } }) {
    const compared = await ports.backups.compare(place, { signal });
    const [kept] = safety ? await ports.copies.find({ id: safetyIdOf(run.id) }) : [];
    return [
      {
        name: `${place.source} is what its copy says`,
        ok: compared.ok,
        evidence: { statement: compared.statement, evidence: compared.evidence ?? null },
      },
      ...(safety
        ? [
            {
              name: 'What was there before is kept',
              ok: kept?.status === 'complete',
              evidence: { copy: safetyIdOf(run.id) },
            },
          ]
        : []),
    ];
  },

  record({ facts: { copy, safety }, applied }) {
    const restore = applied.find(({ change }) => change.id === RESTORE);
    const before = applied.find(({ change }) => change.id === SAFETY);
    return {
      copy: copy.id,
      snapshotAt: copy.snapshotAt,
      safetyCopy: safety && before ? before.receipt.copy : null,
      restored: restore?.receipt.what ?? [],
      setAside: applied.some(({ change }) => change.id === TIDY) ? [] : (restore?.receipt.kept ?? []),
      seconds: Math.round(restore?.receipt.durationMs ?? 0) / 1_000,
    };
  },

  async rollback({ input, ports, run, signal, lease, log }, { id }, receipt) {
    // The safety copy stays: it is what there is to go back to.
    if (id !== RESTORE) return;
    const { repository, location } = await safetyOf(ports, input.source, run.id);
    const place = { source: input.source, repository, location };
    await lease();
    const doing = { signal, lease };
    // What was set aside is all of it; the safety copy has what its source does not leave out.
    const back =
      (await ports.backups.putBack(place, receipt?.kept ?? [], doing)) ??
      (await ports.backups.restore(place, { kind: 'original' }, doing));
    if (back.kept && back.kept.length > 0)
      log.info('what the restore had brought is set aside', { kept: [...back.kept] });
  },

  async verifyUndone({ input, ports, run, signal }) {
    const { repository, location } = await safetyOf(ports, input.source, run.id);
    const compared = await ports.backups.compare({ source: input.source, repository, location }, { signal });
    return [
      { name: `${input.source} is what it was before`, ok: compared.ok, evidence: { statement: compared.statement } },
    ];
  },
});

/** Whether its copies are less than it: then only what a restore sets aside is all of it. */
function leavesOut(source: BackupSource | undefined): boolean {
  return (
    source !== undefined && 'excludeTables' in source && source.excludeTables.length + source.excludeColumns.length > 0
  );
}

const safetyIdOf = (run: string): string => recoveryPointOf(run, 'safety');

async function safetyOf(ports: Parameters<typeof pickCopy>[0], source: string, run: string) {
  return await pickCopy(ports, { source, copy: safetyIdOf(run) });
}
