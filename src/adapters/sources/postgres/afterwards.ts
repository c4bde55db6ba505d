import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Doing } from '../../../core/backup/store.ts';
import { dotted } from '../names.ts';
import { programError } from './errors.ts';
import type { AboutDatabase } from './about.ts';
import type { PgTools } from './tools.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';

/** What a dump builds when its rows are there, as lists that pg_restore takes; undefined where there is nothing. */
export interface Afterwards {
  /** What can be built first, while others read the tables. */
  readonly indexes: string | undefined;
  readonly rest: string | undefined;
}

/** Nothing that an index is made of. A view or a function that comes only now may be. */
const NO_PART_OF_AN_INDEX =
  /^(INDEX|CONSTRAINT|FK CONSTRAINT|CHECK CONSTRAINT|TRIGGER|EVENT TRIGGER|RULE|POLICY|ROW SECURITY|STATISTICS|COMMENT|MATERIALIZED VIEW DATA|PUBLICATION|SUBSCRIPTION) /;
const ENTRY = /^\d+; \d+ \d+ (.*)$/;
/** That of a partition becomes part of that of the whole, and locks both. */
const INDEX = /^INDEX (?!ATTACH )/;

interface Listing {
  readonly tools: PgTools;
  readonly programs: ProgramsPort;
  /** For the lists. */
  readonly folder: string;
  readonly about: AboutDatabase;
}

export async function listAfterwards(
  { tools, programs, folder, about }: Listing,
  file: string,
  { signal }: Doing,
): Promise<Afterwards> {
  const { taken: lines, ...result } = await programs.stream(
    {
      program: tools.program('pg_restore'),
      args: ['--section=post-data', '--list', file],
      env: { LC_ALL: 'C' },
      timeoutMs: 600_000,
      signal,
    },
    async (output) => {
      const text: Uint8Array[] = [];
      for await (const chunk of output) text.push(Buffer.from(chunk));
      return Buffer.concat(text).toString().split('\n');
    },
  );
  if (result.exitCode !== 0)
    throw programError('pg_restore', result, `the dump of ${dotted(about.name)}`, 'VERIFICATION_FAILED');
  const entries = lines.flatMap((line) => {
    const [, what] = ENTRY.exec(line) ?? [];
    return what === undefined ? [] : [{ line, what }];
  });
  const may = entries.every(({ what }) => NO_PART_OF_AN_INDEX.test(what));
  const early = ({ what }: (typeof entries)[number]): boolean => may && INDEX.test(what);
  const write = async (name: string, chosen: typeof entries): Promise<string | undefined> => {
    if (chosen.length === 0) return undefined;
    const path = join(folder, name);
    await writeFile(path, chosen.map(({ line }) => `${line}\n`).join(''), { mode: 0o600 });
    return path;
  };
  return {
    indexes: await write('indexes.list', entries.filter(early)),
    rest: await write(
      'rest.list',
      entries.filter((entry) => !early(entry)),
    ),
  };
}
