import { sql } from 'kysely';
import type { SystemJob } from '../../core/schedule.ts';
import type { EventTables } from '../../store/event-tables.ts';
import type { Store } from '../../store/store.ts';
import { periodOf } from './periods.ts';
import type { ChecklistTables } from './tables.ts';
import { type Evidence, type Task, TASKS } from './tasks.ts';

/** What happened is looked for so far back: longer than any pause between two looks of a Steward that runs. */
const BACK_MS = 2 * 86_400_000;
const KEEP_MS = 2 * 366 * 86_400_000;

/** Who is named where nobody had to do it. */
const ITSELF = 'steward';

/** Ticks off what Steward did itself, with what proves it. */
export function checklistJobs(store: Pick<Store, 'db'>): readonly SystemJob[] {
  const db = store.db.withTables<ChecklistTables>();
  return [
    {
      name: 'checklist-evidence',
      summary: 'Ticks off those tasks of the checklists that Steward did itself, with what proves it.',
      schedule: { every: '15m', jitter: '1m' },
      async run({ now, signal }) {
        for (const task of TASKS) {
          if (signal.aborted) return;
          if (task.evidence) await look(store, { ...task, evidence: task.evidence }, now);
        }
      },
    },
    {
      name: 'checklist-retention',
      summary: 'Forgets ticks that are older than two years.',
      schedule: { every: '1d', jitter: '1h' },
      async run({ now }) {
        await db
          .deleteFrom('checklist_ticks')
          .where('at', '<', new Date(now.getTime() - KEEP_MS))
          .execute();
      },
    },
  ];
}

async function look(
  store: Pick<Store, 'db'>,
  { name, every, evidence }: Task & { readonly evidence: Evidence },
  now: Date,
): Promise<void> {
  const db = store.db.withTables<ChecklistTables & EventTables>();
  const { name: period, from } = periodOf(every, now);
  const known = await db
    .selectFrom('checklist_ticks')
    .select('task')
    .where('task', '=', name)
    .where('period', '=', period)
    .executeTakeFirst();
  if (known) return;
  const found = await db
    .selectFrom('events')
    .select(['at', 'data'])
    .where('at', '>=', new Date(Math.max(from.getTime(), now.getTime() - BACK_MS)))
    .where('type', '=', evidence.type)
    .where(sql<boolean>`data @> ${JSON.stringify(evidence.where)}::jsonb`)
    .orderBy('at', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (!found) return;
  await db
    .insertInto('checklist_ticks')
    .values({
      task: name,
      period,
      at: found.at,
      actor: ITSELF,
      by_person: false,
      note: evidence.inWords(found.data),
    })
    .onConflict((conflict) => conflict.columns(['task', 'period']).doNothing())
    .execute();
}
