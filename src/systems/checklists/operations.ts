import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import { type AnyOperation, defineCommand, defineQuery } from '../../core/operation.ts';
import { redactText } from '../../core/redact.ts';
import type { EventTables } from '../../store/event-tables.ts';
import type { Store } from '../../store/store.ts';
import { before, periodOf } from './periods.ts';
import type { ChecklistTables } from './tables.ts';
import { type Task, TASKS } from './tasks.ts';

const NAMES = TASKS.map(({ name }) => name);

const View = z.object({
  task: z.enum(NAMES),
  title: z.string(),
  every: z.enum(['week', 'month', 'quarter']),
  period: z.string().describe('The one that runs: 2026-W49, 2026-12, 2026-Q4; in UTC.'),
  state: z.enum(['done', 'open', 'overdue']).describe('overdue: all of the period before went by without it, too.'),
  dueBy: z.coerce.date().describe('When the period is over.'),
  doneAt: z.coerce.date().optional(),
  doneBy: z.string().optional().describe('steward: what it did itself is proof enough.'),
  byPerson: z.boolean().optional().describe('Whether a person said so, who may take it back.'),
  note: z.string().optional().describe('What was found; where Steward did it, what proves it.'),
  lastDoneAt: z.coerce.date().optional().describe('In an earlier period.'),
  how: z.string(),
});

const task = z.enum(NAMES).describe('The task, as `steward checklist list` names it.');

export function checklistOperations(store: Pick<Store, 'db'>): readonly AnyOperation[] {
  const db = store.db.withTables<ChecklistTables & EventTables>();

  /** Nobody can be late with what was not there. */
  async function knownSince(): Promise<Date | undefined> {
    const first = await db.selectFrom('events').select('at').orderBy('at').limit(1).executeTakeFirst();
    return first?.at;
  }

  async function viewOf(
    { name, title, every, how }: Task,
    now: Date,
    since: Date | undefined,
  ): Promise<z.output<typeof View>> {
    const current = periodOf(every, now);
    const last = before(every, current);
    const ticks = await db
      .selectFrom('checklist_ticks')
      .selectAll()
      .where('task', '=', name)
      .orderBy('at', 'desc')
      .limit(8)
      .execute();
    const done = ticks.find(({ period }) => period === current.name);
    const earlier = ticks.find(({ period }) => period !== current.name);
    const isMissed = earlier?.period !== last.name && since !== undefined && since <= last.from;
    return {
      task: name,
      title,
      every,
      period: current.name,
      state: done ? 'done' : isMissed ? 'overdue' : 'open',
      dueBy: current.until,
      ...(done && { doneAt: done.at, doneBy: done.actor, byPerson: done.by_person, note: done.note }),
      ...(earlier && { lastDoneAt: earlier.at }),
      how,
    };
  }

  const taskOf = (name: string): Task => {
    const found = TASKS.find((one) => one.name === name);
    if (!found) throw new StewardError('NOT_FOUND', `There is no task ${name}.`, { hint: 'steward checklist list' });
    return found;
  };

  return [
    defineQuery({
      name: 'checklists',
      title: 'Checklists',
      summary:
        'What has to be done each week, month and quarter: what is done, by whom or what proves it, and what is not.',
      permission: 'read',
      input: z.object({ every: z.enum(['week', 'month', 'quarter']).optional().describe('Only these.') }),
      output: z.object({ items: z.array(View) }),
      columns: ['every', 'task', 'title', 'state', 'doneBy', 'note', 'dueBy'],
      cli: ['checklist', 'list'],
      examples: [{ title: 'What is to be done this week', input: { every: 'week' } }],
      async handle({ every }, { now }) {
        const since = await knownSince();
        const wanted = TASKS.filter((one) => every === undefined || one.every === every);
        return { items: await Promise.all(wanted.map((one) => viewOf(one, now, since))) };
      },
    }),

    defineCommand({
      name: 'tick-checklist',
      title: 'Tick a task off',
      summary: 'Says that a task of the checklists was done in the period that runs, and what was found.',
      permission: 'operate',
      // That a person has looked is what a tick says.
      noAgents: true,
      input: z.object({
        task,
        note: z.string().trim().max(1_000).default('').describe('What was found.'),
      }),
      output: View,
      cli: ['checklist', 'tick'],
      cliArguments: ['task', 'note'],
      examples: [{ title: 'The logs were read', input: { task: 'review-logs', note: 'nothing new' } }],
      async handle({ task: name, note }, { actor, now }) {
        const { every } = taskOf(name);
        const tick = { at: now, actor: actor.name, by_person: true, note: redactText(note) };
        await db
          .insertInto('checklist_ticks')
          .values({ task: name, period: periodOf(every, now).name, ...tick })
          .onConflict((conflict) => conflict.columns(['task', 'period']).doUpdateSet(tick))
          .execute();
        return await viewOf(taskOf(name), now, await knownSince());
      },
    }),

    defineCommand({
      name: 'untick-checklist',
      title: 'Take a tick back',
      summary:
        'Takes back that a task was done in the period that runs. What Steward can prove it ticks off again by itself.',
      permission: 'operate',
      noAgents: true,
      input: z.object({ task }),
      output: View,
      cli: ['checklist', 'untick'],
      cliArguments: ['task'],
      async handle({ task: name }, { now }) {
        const { every, title } = taskOf(name);
        const period = periodOf(every, now).name;
        const { numDeletedRows } = await db
          .deleteFrom('checklist_ticks')
          .where('task', '=', name)
          .where('period', '=', period)
          .where('by_person', '=', true)
          .executeTakeFirst();
        if (numDeletedRows === 0n)
          throw new StewardError('PRECONDITION_FAILED', `Nobody has ticked off '${title}' in ${period}.`, {
            hint: 'steward checklist list shows what is done, and by whom.',
          });
        return await viewOf(taskOf(name), now, await knownSince());
      },
    }),
  ];
}
