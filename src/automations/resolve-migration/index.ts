import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { StewardError } from '../../core/errors.ts';
import { compareVersions } from '../../core/migration/files.ts';
import { pickSet, SetInput } from '../../core/migration/pick.ts';
import type { AppliedRow } from '../../core/migration/standing.ts';
import type { CheckedMigration } from '../../core/ports/migrations.ts';

const WAITS_MS = 5_000;
const As = z.enum(['applied', 'pending', 'changed']);

export default defineAutomation({
  name: 'resolve-migration',
  version: 1,
  title: 'Say how a migration stands',
  summary:
    'Marks a migration as applied, as pending, or as rightly changed in the record; the tables stay as they are.',
  category: 'database',
  effect: 'write',
  priority: 'P2',
  ifMissed: 'a migration that stayed half-done keeps every later one waiting',
  load: 'light',
  needs: ['migrations'],
  cli: ['migrations', 'resolve'],
  cliArguments: ['name'],
  input: SetInput.extend({
    migration: z
      .string()
      .regex(/^\d+([._]\d+)*$/, 'expected a version such as 0003 or 1.2')
      .describe('Which one, as steward migrations shows it.'),
    as: As.describe(
      'applied: it is complete in the database. pending: nothing of it is there. changed: the file is right as it is now.',
    ),
    through: z
      .boolean()
      .default(false)
      .describe(
        'With applied: also all before it. That is how a database begins that another tool has migrated so far.',
      ),
  }),
  output: z.object({ database: z.string(), marked: z.array(z.object({ version: z.string(), as: As })) }),
  examples: [{ title: 'It is complete', input: { name: 'shop', migration: '0002', as: 'applied' } }],
  safeguards: { timeout: '60s', retry: { attempts: 1, backoff: '1s' } },

  async analyze({ input, ports, signal }) {
    const set = pickSet(ports.migrations.sets(), input);
    const files = await ports.migrations.read(set.folder, set.source);
    const { rows, database, lockedBy } = await ports.migrations.look(set, { signal });
    if (lockedBy !== undefined)
      throw new StewardError(
        'LOCKED',
        `${database} is being migrated by ${lockedBy}: how it stands is not decided yet.`,
        { hint: 'Wait until it is done.', retryable: false },
      );
    const wanted = input.migration.replaceAll('_', '.');
    const known = [...files.map(({ version }) => version), ...rows.map(({ version }) => version)];
    const version = known.find((each) => compareVersions(each, wanted) === 0);
    if (version === undefined)
      throw new StewardError(
        'NOT_FOUND',
        `There is no migration ${input.migration}, neither among the files nor on record.`,
        { hint: 'steward migrations shows those there are.' },
      );
    return { set, database, marks: marksOf(files, rows, { ...input, version }) };
  },

  async plan(_ctx, { marks, database }) {
    return marks.map(({ version, name, before }) => ({
      id: version,
      title: `Mark ${version} (${name}) in ${database}: ${before?.state ?? 'pending'} becomes ${markedAs(version, marks)}`,
      undo: 'automatic' as const,
      version,
    }));
  },

  async execute({ ports, run, now, signal }, { version }, { facts: { set, marks } }) {
    const { checksum, name, total, before, as } = markOf(marks, version);
    const row: AppliedRow =
      before && as === 'changed'
        ? { ...before, checksum }
        : {
            version,
            name,
            checksum,
            total,
            state: 'applied',
            appliedAt: now().toISOString(),
            durationMs: 0,
            run: run.id,
            done: total,
            error: null,
          };
    const change = as === 'pending' ? { put: [], remove: [version] } : { put: [row], remove: [] };
    await ports.migrations.record(set, { ...change, waitMs: WAITS_MS }, { signal });
    return { as, before };
  },

  async verify({ ports, signal }, { facts: { set, marks } }) {
    const { rows } = await ports.migrations.look(set, { signal });
    return marks.map(({ version, as, checksum }) => {
      const row = rows.find((each) => each.version === version);
      return {
        name: `${version} is on record as ${as}`,
        ok: as === 'pending' ? row === undefined : row?.state === 'applied' && row.checksum === checksum,
      };
    });
  },

  record: ({ facts: { database, marks } }) => ({ database, marked: marks.map(({ version, as }) => ({ version, as })) }),

  async rollback({ input, ports, signal }, { version }, receipt) {
    // Without a receipt it is not known to have happened; what was before is in the plan's facts only.
    if (!receipt) return;
    const set = pickSet(ports.migrations.sets(), input);
    const { before } = receipt;
    await ports.migrations.record(
      set,
      before ? { put: [before], remove: [], waitMs: WAITS_MS } : { put: [], remove: [version], waitMs: WAITS_MS },
      { signal },
    );
  },

  async verifyUndone({ input, ports, signal }, { undone }) {
    const { rows } = await ports.migrations.look(pickSet(ports.migrations.sets(), input), { signal });
    return undone.map(({ change: { version }, receipt }) => ({
      name: `${version} is on record as before`,
      ok: rows.find((row) => row.version === version)?.state === receipt?.before?.state,
    }));
  },
});

interface Mark {
  readonly version: string;
  readonly name: string;
  readonly checksum: string;
  readonly total: number;
  readonly as: z.output<typeof As>;
  readonly before: AppliedRow | null;
}

function marksOf(
  files: readonly CheckedMigration[],
  rows: readonly AppliedRow[],
  { version, as, through }: { readonly version: string; readonly as: Mark['as']; readonly through: boolean },
): Mark[] {
  if (through && as !== 'applied')
    throw new StewardError('INPUT_INVALID', 'Only as applied can all before it be marked, too.', {
      hint: 'Leave --through, or say --as applied.',
    });
  const file = files.find((each) => each.version === version);
  const row = rows.find((each) => each.version === version);
  if (!file && as !== 'pending')
    throw new StewardError('PRECONDITION_FAILED', `${version} has no file, so it can only be forgotten.`, {
      hint: '--as pending',
    });
  if (as === 'changed' && row?.state !== 'applied')
    throw new StewardError(
      'PRECONDITION_FAILED',
      `${version} is not applied, so it does not matter that its file was changed.`,
      { hint: 'steward migrations shows how it stands.' },
    );
  const chosen = through ? files.filter((each) => compareVersions(each.version, version) <= 0) : file ? [file] : [];
  if (chosen.length === 0 && row)
    return [{ version, name: row.name, checksum: row.checksum, total: row.total, as, before: row }];
  return (
    chosen
      .map(({ version: each, name, checksum, up }) => ({
        version: each,
        name,
        checksum,
        total: up.statements.length,
        as,
        before: rows.find((one) => one.version === each) ?? null,
      }))
      // What stands so already stays as it is on record, with its time and run.
      .filter(({ before, as: wanted, checksum }) =>
        wanted === 'pending'
          ? before !== null
          : before?.state !== 'applied' || (wanted === 'changed' && before.checksum !== checksum),
      )
  );
}

function markOf(marks: readonly Mark[], version: string): Mark {
  const found = marks.find((mark) => mark.version === version);
  if (found) return found;
  throw new StewardError('INTERNAL', `${version} was planned and is not among the facts.`);
}

const markedAs = (version: string, marks: readonly Mark[]): string =>
  markOf(marks, version).as === 'pending' ? 'pending' : 'applied';
