import { type Insertable, type Selectable, sql, type Transaction } from 'kysely';
import { settled as settledConditions } from '../core/condition.ts';
import { ms } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import { eventScope, isMeant, isOfDryRun, typesLike } from '../core/event-pattern.ts';
import type { WholeEvent } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import { redactText } from '../core/redact.ts';
import { filled } from '../core/reference.ts';
import type { Wait } from '../core/workflow.ts';
import { type EventTables, settled, settledBelow, toEvent } from '../store/event-tables.ts';
import type { Store } from '../store/store.ts';
import type { Executions, Owned, StepPatch } from './executions.ts';
import type { EngineTables } from './tables.ts';
import { tellable } from './tellable.ts';
import type { WaitOutcome, WorkflowTables } from './tables-workflows.ts';

const YES_OR_NO = ['yes', 'no'];
const MOST_EVENTS = 500;

type WaitRow = Selectable<WorkflowTables['workflow_waits']>;

/** Since when events count, and when its workflow ends whatever it waits for. */
export interface WaitGiven {
  readonly scope: JsonObject;
  readonly mark: string;
  readonly deadline: { readonly at: Date; readonly message: string } | undefined;
}

/** What executions wait for, as rows: nothing is held meanwhile, and whichever node sees it come wakes the execution. */
export interface Waits {
  /** Waits from now on; harmless twice. Gives what the step's record says of it. */
  arm(execution: Pick<Owned, 'id'>, step: string, wait: Wait, given: WaitGiven): Promise<StepPatch>;
  outcomes(executionId: string): Promise<ReadonlyMap<string, WaitOutcome>>;
  /** Ends it with that outcome, once. Whoever had parked the execution goes on with it here. */
  end(executionId: string, step: string, outcome: WaitOutcome): Promise<boolean>;
  /** It is canceled: what it waited for does not matter any more. */
  wake(executionId: string): Promise<void>;
  /** Looks whether something came: a time, or an event. */
  look(): Promise<void>;
}

export function createWaits({
  store,
  executions,
  wholeEvent,
  now,
  log,
  onWoken,
}: {
  readonly store: Store;
  readonly executions: Executions;
  readonly wholeEvent: WholeEvent;
  readonly now: () => Date;
  readonly log: Log;
  readonly onWoken: (owned: Owned) => Promise<void>;
}): Waits {
  const db = store.db.withTables<EngineTables>();

  async function end(executionId: string, step: string, outcome: WaitOutcome): Promise<boolean> {
    const { ended, owned } = await db.transaction().execute(async (trx) => {
      // The execution first, as everybody who writes about it does.
      await trx.selectFrom('workflow_executions').select('id').where('id', '=', executionId).forUpdate().execute();
      const row = await trx
        .updateTable('workflow_waits')
        .set({ outcome: JSON.stringify(outcome) })
        .where('execution_id', '=', executionId)
        .where('step', '=', step)
        .where('outcome', 'is', null)
        .returning('step')
        .executeTakeFirst();
      return { ended: row !== undefined, owned: row && (await executions.wake(trx, executionId)) };
    });
    if (owned) await onWoken(owned);
    return ended;
  }

  async function lookForEvent(wait: WaitRow): Promise<void> {
    const events = db.withTables<EventTables>();
    const below = await settledBelow(events);
    const rows = await events
      .selectFrom('events')
      .selectAll()
      .where(sql<boolean>`(xid, id) > (${wait.cursor_xid}::xid8, ${wait.cursor_id}::bigint)`)
      .where(settled(below))
      .where('type', 'in', wait.types as never)
      .orderBy('xid')
      .orderBy('id')
      .limit(MOST_EVENTS)
      .execute();
    for (const row of rows) {
      const event = toEvent(row);
      if (isOfDryRun(event)) continue;
      const whole = await wholeEvent(event);
      if (isMeant({ event: '*', where: wait.conditions }, whole))
        return void (await end(wait.execution_id, wait.step, {
          output: { event: eventScope(tellable(whole, event)) },
        }));
    }
    const last = rows.at(-1);
    if (last)
      await db
        .updateTable('workflow_waits')
        .set({ cursor_xid: last.xid, cursor_id: last.id })
        .where('execution_id', '=', wait.execution_id)
        .where('step', '=', wait.step)
        .execute();
  }

  return {
    async arm({ id }, step, wait, { scope, mark, deadline }) {
      const { row: full, patch } = armed({ execution_id: id, step, cursor_xid: mark }, wait, scope, now());
      const cut = deadline && (!full.until || deadline.at < full.until) ? deadline : undefined;
      const atLast: WaitOutcome | undefined = cut && { failed: cut.message, timedOut: true };
      const row = cut ? { ...full, until: cut.at, at_last: JSON.stringify(atLast) } : full;
      await db
        .insertInto('workflow_waits')
        .values(row)
        .onConflict((conflict) => conflict.columns(['execution_id', 'step']).doNothing())
        .execute();
      return { status: 'waiting', ...patch };
    },
    async outcomes(executionId) {
      const rows = await db
        .selectFrom('workflow_waits')
        .select(['step', 'outcome'])
        .where('execution_id', '=', executionId)
        .where('outcome', 'is not', null)
        .execute();
      return new Map(rows.flatMap(({ step, outcome }) => (outcome ? [[step, outcome] as const] : [])));
    },
    end,
    async wake(executionId) {
      const owned = await db
        .transaction()
        .execute((trx: Transaction<EngineTables>) => executions.wake(trx, executionId));
      if (owned) await onWoken(owned);
    },
    async look() {
      const open = await db
        .selectFrom('workflow_waits')
        .selectAll()
        .where('outcome', 'is', null)
        .where((where) => where.or([where('kind', '=', 'event'), where('until', '<=', now())]))
        .orderBy('created_at')
        .limit(1_000)
        .execute();
      for (const wait of open) {
        try {
          if (wait.kind === 'event') await lookForEvent(wait);
          if (wait.until && wait.until <= now() && wait.at_last) await end(wait.execution_id, wait.step, wait.at_last);
        } catch (thrown) {
          const { code, message } = StewardError.from(thrown);
          if (code === 'STORE_UNAVAILABLE') throw thrown;
          log.warn('wait will be looked at again', { execution: wait.execution_id, step: wait.step, reason: message });
        }
      }
    },
  };
}

/** What a person's answer comes to. Of yes and no, a no means that it is not to go on. */
export function answered(
  { answers }: Pick<NonNullable<StepPatch['question']>, 'answers'>,
  answer: string,
  more: JsonObject,
): WaitOutcome {
  const own = answers.join() !== YES_OR_NO.join();
  if (!own && answer === 'no') return { failed: `${String(more['by'])} answered no`, output: { answer, ...more } };
  return { output: { answer, ...more } };
}

type Armed = { readonly row: Insertable<WorkflowTables['workflow_waits']>; readonly patch: StepPatch };

/** What is kept of a wait, and what its step says about it. A question or an instant is looked up now. */
function armed(
  base: Pick<Armed['row'], 'execution_id' | 'step' | 'cursor_xid'>,
  wait: Wait,
  scope: JsonObject,
  at: Date,
): Armed {
  const row = (
    kind: WaitRow['kind'],
    until: Date | undefined,
    atLast: WaitOutcome,
    more: object = {},
  ): Armed['row'] => ({
    ...base,
    kind,
    until: until ?? null,
    types: '[]',
    conditions: '[]',
    cursor_id: 0,
    at_last: JSON.stringify(atLast),
    outcome: null,
    created_at: at,
    ...more,
  });
  const later = (length: string | undefined): Date | undefined =>
    length === undefined ? undefined : new Date(at.getTime() + ms(length));
  const saying = (until: Date | undefined): StepPatch => (until ? { until: until.toISOString() } : {});

  if ('for' in wait || 'until' in wait) {
    const until = 'for' in wait ? new Date(at.getTime() + ms(wait.for)) : instantOf(filled(wait.until, scope));
    return { row: row('time', until, { output: { until: until.toISOString() } }), patch: saying(until) };
  }
  const until = later(wait.timeout);
  if ('event' in wait) {
    const atLast: WaitOutcome =
      wait.onTimeout === 'continue'
        ? { output: { timedOut: true } }
        : { failed: `no ${wait.event} came within ${wait.timeout}`, timedOut: true };
    const more = {
      types: JSON.stringify(typesLike(wait.event)),
      conditions: JSON.stringify(settledConditions(wait.where ?? [], scope)),
    };
    return {
      row: row('event', until, atLast, more),
      patch: { ...saying(until), message: `it waits for ${wait.event}` },
    };
  }
  const text = filled(wait.person, scope);
  const question = {
    text: redactText(typeof text === 'string' ? text : JSON.stringify(text)),
    role: wait.role ?? ('operator' as const),
    answers: wait.answers ?? YES_OR_NO,
  };
  const atLast: WaitOutcome =
    wait.default === undefined
      ? { failed: `nobody answered within ${wait.timeout}`, timedOut: true }
      : answered(question, wait.default, { by: 'nobody', timedOut: true });
  return { row: row('person', until, atLast), patch: { ...saying(until), question } };
}

function instantOf(value: unknown): Date {
  const at = typeof value === 'string' || typeof value === 'number' ? new Date(value) : new Date(Number.NaN);
  if (Number.isNaN(at.getTime()))
    throw new StewardError('INPUT_INVALID', 'What it should wait for is no instant.', {
      hint: 'An instant is written as 2030-01-31T18:00:00Z.',
    });
  return at;
}
