import { DIVERGENCE } from '../database/divergence.ts';
import { z } from 'zod';
import { StewardError } from '../errors.ts';
import type { MigrationSet } from '../ports/migrations.ts';
import { naming } from '../naming.ts';

export const LOCK_TIMEOUT_MS = 5_000;

/** Which migrations, as an input says it: by the name of the configuration, or source and folder on the spot. */
export const SetInput = z.object({
  name: naming('migrations', z.string().min(1))
    .optional()
    .describe('Which of databases.migrations; by default the only one there is.'),
  source: naming('source', z.string().min(1))
    .optional()
    .describe('Backup source that says how the database is reached, with folder; in place of a name.'),
  database: z.string().min(1).optional().describe('Which database of that source, where it has several.'),
  folder: z.string().min(1).optional().describe('Folder of the SQL files.'),
});

/** INPUT_INVALID or NOT_FOUND says what there is to choose from. */
export function pickSet(
  sets: readonly MigrationSet[],
  { name, source, database, folder }: z.output<typeof SetInput>,
): MigrationSet {
  const there = sets.map((set) => set.name).join(', ');
  if (source !== undefined || folder !== undefined) {
    if (source === undefined || folder === undefined || name !== undefined)
      throw new StewardError(
        'INPUT_INVALID',
        'A name alone, or a source with its folder, says which migrations are meant.',
        {
          hint: `steward migrate <name>, or --source <source> --folder <folder>. ${there ? `There are: ${there}.` : ''}`.trim(),
        },
      );
    return {
      name: source,
      source,
      database,
      folder,
      outOfOrder: false,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      statementTimeoutMs: undefined,
      divergence: DIVERGENCE,
    };
  }
  const only = sets.length === 1 ? sets[0] : undefined;
  const found = name === undefined ? only : sets.find((set) => set.name === name);
  if (found) return { ...found, ...(database !== undefined && { database }) };
  if (sets.length === 0)
    throw new StewardError('NOT_FOUND', 'The configuration names no migrations.', {
      hint: 'Name them in databases.migrations of steward.yaml, or here: --source <source> --folder <folder>',
    });
  throw new StewardError(
    name === undefined ? 'INPUT_INVALID' : 'NOT_FOUND',
    name === undefined
      ? 'It is not said which migrations are meant.'
      : `The configuration has no migrations '${name}'.`,
    { hint: `There are: ${there}.` },
  );
}

/** The source whose database is meant, named itself or by the set; undefined where that is not one. */
export function sourceMeant(
  sets: readonly { readonly name: string; readonly source: string }[],
  { name, source }: { readonly name?: string | undefined; readonly source?: string | undefined },
): string | undefined {
  return source ?? sets.find((set) => set.name === name || (name === undefined && sets.length === 1))?.source;
}
