import type { LayerResult } from '../../../core/backup/copy.ts';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import type { Doing } from '../../../core/backup/store.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import { partOf, readContents } from '../contents.ts';
import { lookAtLayer } from '../layer.ts';
import { dotted } from '../names.ts';
import { readAbout } from './about.ts';
import { programError } from './errors.ts';
import type { FindTools } from './tools.ts';

const LIST_BYTES = 64 * 1024 ** 2;

/** Whether each dump can be read by pg_restore, and lists the rows of every table that was counted. */
export function lookAtStructure(
  { programs, find, copy }: { readonly programs: ProgramsPort; readonly find: FindTools; readonly copy: SealedCopy },
  doing: Doing,
): Promise<LayerResult> {
  return lookAtLayer('structure', async () => {
    const about = await readAbout(copy, doing);
    const tools = await find({ server: Number.parseInt(about.version, 10), own: false }, doing);
    const recorded = new Set<string>();
    for await (const { name } of readContents(copy, doing)) recorded.add(name);
    const missing: string[] = [];
    let entries = 0;
    for (const { name, dump, withoutColumns, partly } of about.databases) {
      const part = partOf(copy, (one) => one.name === dump, `the dump of ${dotted(name)}`);
      if (partly !== null)
        partOf(copy, (one) => one.name === partly, `the rows of ${dotted(name)} that were copied in part`);
      let list = '';
      const result = await programs.stream(
        {
          program: tools.program('pg_restore'),
          args: ['--list'],
          env: { LC_ALL: 'C' },
          timeoutMs: 600_000,
          signal: doing.signal,
          input: copy.store.read(copy.location, part, doing),
        },
        async (output) => {
          const decoder = new TextDecoder();
          for await (const chunk of output)
            if (list.length < LIST_BYTES) list += decoder.decode(chunk, { stream: true });
        },
      );
      if (result.exitCode !== 0) throw programError('pg_restore --list', result, dump, 'VERIFICATION_FAILED');
      const lines = list.split('\n').filter((line) => line !== '' && !line.startsWith(';'));
      entries += lines.length;
      const held = tablesIn(lines, name);
      const prefix = `${dotted(name)}.`;
      for (const table of recorded) {
        if (!table.startsWith(prefix) || table.endsWith('"(large objects)"')) continue;
        if (!held(table) && !withoutColumns.some((one) => one.table === table)) missing.push(table);
      }
    }
    const databases = about.databases.length;
    return missing.length === 0
      ? {
          ok: true,
          statement: `pg_restore reads ${databases} dumps with ${entries} entries, the rows of each counted table among them.`,
          evidence: { databases, entries },
        }
      : {
          ok: false,
          statement: `The dumps lack the rows of ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ` and ${missing.length - 3} more` : ''}.`,
          evidence: { missing: missing.slice(0, 50) },
        };
  });
}

/** A line says `215; 0 16386 TABLE DATA public orders owner`, in which nothing is quoted and newlines are spaces. */
function tablesIn(lines: readonly string[], database: string): (table: string) => boolean {
  const data = lines.flatMap((line) => / TABLE DATA (.*)$/.exec(line)?.[1] ?? []);
  const exact = new Set(data.map((rest) => rest.split(' ').slice(0, 2).join(' ')));
  return (table) => {
    const plain = plainParts(table.slice(dotted(database).length + 1)).replaceAll(/[\r\n]/g, ' ');
    return exact.has(plain) || data.some((rest) => rest.startsWith(`${plain} `));
  };
}

/** `public."Mixed Case"` as the list has it: public Mixed Case. */
function plainParts(name: string): string {
  return [...name.matchAll(/"((?:[^"]|"")*)"|([^".]+)/gs)]
    .map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain)
    .join(' ');
}
