import { createHash } from 'node:crypto';
import { type Selectable, sql } from 'kysely';
import { ms } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import type { StewardEvent } from '../core/event.ts';
import { keyOf } from '../core/event-pattern.ts';
import { canonicalJson, type JsonObject } from '../core/json.ts';
import type { AnyWorkflow, WorkflowTrigger } from '../core/workflow.ts';
import type { Store } from '../store/store.ts';
import type { EngineTables } from './tables.ts';
import type { CollectedEvent, WorkflowTables } from './tables-workflows.ts';

export type EventTrigger = WorkflowTrigger & { kind: 'event' };
type Window = Selectable<WorkflowTables['workflow_windows']>;
type Key = Pick<Window, 'workflow' | 'trigger' | 'key'>;

/** As an event trigger without `by` has it. */
const BY = ['subject.kind', 'subject.id'];
const MOST_EVENTS = 100;
/** What belongs together may be told by a text of any length; an index takes no such. */
const LONGEST_KEY = 255;
/** How long nothing is forgotten that could still matter. */
const SPARE_MS = 3_600_000;

export const isTimed = ({ debounce, count, throttle }: EventTrigger): boolean =>
  debounce !== undefined || count !== undefined || throttle !== undefined;

/** What a window comes to when it is due. */
export interface Due {
  readonly workflow: string;
  readonly trigger: number;
  readonly hash: string;
  readonly event: StewardEvent;
  readonly count: number;
  readonly firstAt: Date;
}

type StartDue = (due: Due) => Promise<Date | undefined>;

/** Events that are waited for to be quiet or to pile up, as rows: no restart loses or repeats them. */
export interface Windows {
  /** What belongs together is asked of the whole event; the event itself is what is kept. */
  collect(workflow: AnyWorkflow, trigger: number, event: StewardEvent, whole: StewardEvent): Promise<void>;
  /** Hands over what is due, once for all nodes; what `start` rejects comes again. It says until when further events start nothing. */
  look(start: StartDue): Promise<void>;
}

export const hashOfTrigger = (trigger: WorkflowTrigger): string =>
  createHash('sha256')
    .update(canonicalJson(JSON.parse(JSON.stringify(trigger))))
    .digest('hex')
    .slice(0, 12);

export function createWindows({ store, now }: { readonly store: Store; readonly now: () => Date }): Windows {
  const db = store.db.withTables<EngineTables>();

  return {
    async collect(workflow, index, event, whole) {
      const trigger = workflow.triggers[index] as EventTrigger;
      const key = indexable(keyOf(trigger.by ?? BY, whole));
      const hash = hashOfTrigger(trigger);
      const at = now();
      await db.transaction().execute(async (trx) => {
        // Of two nodes that collect for one key, one waits for the other.
        await sql`select pg_advisory_xact_lock(hashtextextended(${`steward window ${workflow.name} ${index} ${key}`}, 0))`.execute(
          trx,
        );
        const known = await trx
          .selectFrom('workflow_windows')
          .selectAll()
          .where('workflow', '=', workflow.name)
          .where('trigger', '=', index)
          .where('key', '=', key)
          .forUpdate()
          .executeTakeFirst();
        const next = added(known?.hash === hash ? known : undefined, trigger, event, at);
        if (!next) return;
        const values = {
          ...next,
          hash,
          events: JSON.stringify(next.events),
          last: JSON.stringify(next.last),
        };
        await trx
          .insertInto('workflow_windows')
          .values({ workflow: workflow.name, trigger: index, key, ...values })
          .onConflict((conflict) => conflict.columns(['workflow', 'trigger', 'key']).doUpdateSet(values))
          .execute();
      });
    },
    async look(start) {
      /** Due, and not started: those behind them do not wait for them. */
      const left: Key[] = [];
      let failure: StewardError | undefined;
      // Asked twice a second: nothing is locked where nothing is due.
      for (let more = await anyDue(); more;) {
        const before = left.length;
        try {
          more = await one(start, left);
        } catch (thrown) {
          if (left.length === before) throw thrown;
          failure ??= StewardError.from(thrown);
        }
      }
      if (failure !== undefined) throw failure;
    },
  };

  async function anyDue(): Promise<boolean> {
    const due = await db
      .selectFrom('workflow_windows')
      .select('workflow')
      .where('due_at', '<=', now())
      .limit(1)
      .executeTakeFirst();
    return due !== undefined;
  }

  /** True where something was due; what could not be started is left. */
  async function one(start: StartDue, left: Key[]): Promise<boolean> {
    return await db.transaction().execute(async (trx) => {
      const row = await trx
        .selectFrom('workflow_windows')
        .selectAll()
        .where('due_at', '<=', now())
        .where(
          sql<boolean>`(workflow, trigger, key) not in (select * from unnest(${left.map(({ workflow }) => workflow)}::text[],
            ${left.map(({ trigger }) => trigger)}::integer[], ${left.map(({ key }) => key)}::text[]))`,
        )
        .orderBy('due_at')
        .limit(1)
        .forUpdate()
        .skipLocked()
        .executeTakeFirst();
      if (!row) return false;
      const event = { ...(row.last as unknown as StewardEvent), at: new Date(String(row.last['at'])) };
      // Its own transaction, with a key: where this one comes to nothing it is found again.
      const quietUntil = await start({
        workflow: row.workflow,
        trigger: row.trigger,
        hash: row.hash,
        event,
        count: row.total,
        firstAt: row.first_at,
      }).catch((thrown: unknown) => {
        left.push(row);
        throw thrown;
      });
      await trx
        .updateTable('workflow_windows')
        .set({
          due_at: null,
          events: '[]',
          total: 0,
          quiet_until: quietUntil ?? null,
          expires_at: new Date((quietUntil ?? now()).getTime() + SPARE_MS),
        })
        .where('workflow', '=', row.workflow)
        .where('trigger', '=', row.trigger)
        .where('key', '=', row.key)
        .execute();
      return true;
    });
  }
}

const indexable = (key: string): string =>
  key.length <= LONGEST_KEY ? key : createHash('sha256').update(key).digest('hex');

type Next = Pick<Window, 'total' | 'first_at' | 'due_at' | 'quiet_until' | 'expires_at'> & {
  readonly events: CollectedEvent[];
  readonly last: JsonObject;
};

/** The window with one event more; undefined where the event changes nothing. */
export function added(
  window: Pick<Window, 'events' | 'total' | 'first_at' | 'due_at' | 'quiet_until' | 'last'> | undefined,
  { debounce, atMost, count, within }: EventTrigger,
  event: StewardEvent,
  at: Date,
): Next | undefined {
  // Handed over again, because whoever handled it could not say so any more.
  if (window?.last['id'] === event.id || window?.events.some(({ id }) => id === event.id)) return undefined;
  if (window?.quiet_until && at < window.quiet_until) return undefined;
  const since = within === undefined ? -Infinity : event.at.getTime() - ms(within);
  const events = [
    ...(window?.events ?? []).filter((one) => new Date(one.at).getTime() > since),
    { id: event.id, at: event.at.toISOString() },
  ].slice(-MOST_EVENTS);
  const fresh = window === undefined || window.total === 0 || (count !== undefined && events.length === 1);
  const firstAt = fresh ? at : window.first_at;
  const total = count === undefined ? (fresh ? 1 : window.total + 1) : events.length;
  const later = (from: Date, length: string | undefined): Date | undefined =>
    length === undefined ? undefined : new Date(from.getTime() + ms(length));
  const quiet = later(at, debounce);
  const last = later(firstAt, atMost);
  const due = quiet ? (last && last < quiet ? last : quiet) : count === undefined || events.length >= count ? at : null;
  const expires = Math.max(...[at, due, later(at, within)].map((each) => each?.getTime() ?? 0)) + SPARE_MS;
  return {
    events,
    last: JSON.parse(JSON.stringify(event)) as JsonObject,
    total,
    first_at: firstAt,
    due_at: due ?? null,
    quiet_until: null,
    expires_at: new Date(expires),
  };
}
