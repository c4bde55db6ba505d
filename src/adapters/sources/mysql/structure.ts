import type { LayerResult } from '../../../core/backup/copy.ts';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { partOf } from '../contents.ts';
import { lookAtLayer } from '../layer.ts';
import { dotted } from '../names.ts';
import { readAbout } from './about.ts';
import { createStatementCounter } from './statements.ts';

/** Whether each dump is there to its end, with as many statements as it was written with. */
export function lookAtStructure(copy: SealedCopy, doing: Doing): Promise<LayerResult> {
  return lookAtLayer('structure', async () => {
    const about = await readAbout(copy, doing);
    const wrong: string[] = [];
    let all = 0;
    for (const { name, dump, tables, inserts, after, events } of about.databases) {
      for (const other of [...after, ...(events === null ? [] : [events])])
        partOf(copy, (one) => one.name === other, other);
      const part = partOf(copy, (one) => one.name === dump, `the dump of ${dotted(name)}`);
      const found = createStatementCounter();
      for await (const chunk of copy.store.read(copy.location, part, doing)) found.add(chunk);
      all += found.tables + found.inserts;
      if (!found.complete) wrong.push(`${dump} ends in the middle`);
      else if (found.tables !== tables || found.inserts !== inserts)
        wrong.push(
          `${dump} has ${found.tables} tables and ${found.inserts} inserts; written were ${tables} and ${inserts}`,
        );
    }
    return {
      ok: wrong.length === 0,
      statement:
        wrong.length === 0
          ? `${about.databases.length} dumps are there to their end, with all ${all} statements that were written.`
          : `${wrong.join('; ')}.`,
      evidence: { databases: about.databases.length, statements: all, wrong },
    };
  });
}
