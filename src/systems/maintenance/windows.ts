import { randomBytes } from 'node:crypto';
import { type Kysely, type Transaction, sql } from 'kysely';
import type { EventType } from '../../core/event.ts';
import {
  covers,
  type MaintenanceSpan,
  type MaintenanceSubject,
  type MaintenanceWindow,
  type NextInstant,
} from '../../core/maintenance.ts';
import { redactText } from '../../core/redact.ts';
import type { Store } from '../../store/store.ts';
import { type MaintenancePlan, nextOpening, windowOf } from './plans.ts';
import { type MaintenanceTables, toWindow, type WindowRow } from './tables.ts';

export interface WindowsDeps {
  readonly store: Pick<Store, 'db' | 'events'>;
  readonly next: NextInstant;
  /** All that opens windows by the clock, as this node knows it. */
  readonly plans: () => Promise<readonly MaintenancePlan[]>;
  readonly nodeName: (id: string) => Promise<string | undefined>;
  readonly node: string;
  /** Whether the run for which a window is open is over. */
  readonly isOver: (owner: string) => Promise<boolean>;
  readonly now: () => Date;
}

type Trx = Transaction<MaintenanceTables>;
export type NewWindow = Omit<MaintenanceWindow, 'id' | 'endedAt'>;

/** The windows as rows. What recurs gets a row only when it begins, so nothing piles up for days to come. */
export interface Windows {
  readonly db: Kysely<MaintenanceTables>;
  activeFor(subject: MaintenanceSubject, at: Date): Promise<MaintenanceWindow | undefined>;
  during(subjects: readonly MaintenanceSubject[], since: Date, until: Date): Promise<MaintenanceSpan[]>;
  open(window: NewWindow): Promise<MaintenanceWindow>;
  get(id: string): Promise<MaintenanceWindow | undefined>;
  ofOwner(owner: string): Promise<MaintenanceWindow | undefined>;
  /** False where it is over already. */
  end(id: string, at: Date): Promise<boolean>;
  extend(id: string, until: Date): Promise<MaintenanceWindow | undefined>;
  /** Tells of beginnings and ends that the clock brought; gives the instant at which the next is due. */
  turn(): Promise<Date | undefined>;
}

export function createWindows(deps: WindowsDeps): Windows {
  const { store, next, plans, nodeName, node, isOver, now } = deps;
  const db = store.db.withTables<MaintenanceTables>();

  async function tell(trx: Trx, type: EventType, row: WindowRow): Promise<void> {
    await store.events.append(trx, {
      type,
      subject: { kind: 'maintenance', id: row.id },
      node,
      data: {
        reason: row.reason,
        kind: row.kind,
        by: row.actor,
        scope: row.scope,
        startsAt: row.starts_at.toISOString(),
        endsAt: row.ends_at.toISOString(),
      },
    });
  }

  /** Once, whichever node does it, and not where its plan was removed meanwhile. */
  async function insert(window: MaintenanceWindow, plan?: MaintenancePlan): Promise<MaintenanceWindow> {
    return await db.transaction().execute(async (trx) => {
      if (plan?.kind === 'recurring' && !(await isKept(trx, plan.id))) return window;
      const told = window.startsAt <= now();
      const row = await trx
        .insertInto('maintenance_windows')
        .values({
          id: window.id,
          kind: window.kind,
          plan_id: plan?.id ?? null,
          owner: window.owner ?? null,
          reason: redactText(window.reason),
          actor: window.actor,
          scope: JSON.stringify(window.scope),
          starts_at: window.startsAt,
          ends_at: window.endsAt,
          ended_at: null,
          told,
        })
        .onConflict((conflict) => conflict.doNothing())
        .returningAll()
        .executeTakeFirst();
      if (row && told) await tell(trx, 'maintenance.started', row);
      return row ? toWindow(row) : window;
    });
  }

  /** Whoever removes the plan waits for this transaction, and then finds its window to end. */
  async function isKept(trx: Trx, planId: string): Promise<boolean> {
    const row = await trx
      .selectFrom('maintenance_plans')
      .select('id')
      .where('id', '=', planId)
      .where('removed_at', 'is', null)
      .forShare()
      .executeTakeFirst();
    return row !== undefined;
  }

  async function end(id: string, at: Date): Promise<boolean> {
    return await db.transaction().execute(async (trx) => {
      const row = await trx
        .updateTable('maintenance_windows')
        .set({ ended_at: at })
        .where('id', '=', id)
        .where('ended_at', 'is', null)
        .returningAll()
        .executeTakeFirst();
      if (row?.told) await tell(trx, 'maintenance.ended', row);
      return row !== undefined;
    });
  }

  const unended = (): Promise<WindowRow[]> =>
    db.selectFrom('maintenance_windows').selectAll().where('ended_at', 'is', null).orderBy('starts_at').execute();

  async function openedByClock(at: Date): Promise<{ plan: MaintenancePlan; window: MaintenanceWindow }[]> {
    return (await plans()).flatMap((plan) => {
      const window = windowOf(plan, at, next);
      return window ? [{ plan, window }] : [];
    });
  }

  async function tellBeginning(id: string): Promise<void> {
    await db.transaction().execute(async (trx) => {
      const row = await trx
        .updateTable('maintenance_windows')
        .set({ told: true })
        .where('id', '=', id)
        .where('told', '=', false)
        .returningAll()
        .executeTakeFirst();
      if (row) await tell(trx, 'maintenance.started', row);
    });
  }

  /** Whether the clock, the end of its run, or a configuration without it ends this window. */
  async function isDone(row: WindowRow, known: ReadonlySet<string>, at: Date): Promise<boolean> {
    if (row.ends_at <= at) return true;
    if (row.owner !== null) return await isOver(row.owner);
    const ours = row.kind === 'recurring' || (row.kind === 'configured' && row.scope.within === node);
    return ours && row.plan_id !== null && !known.has(row.plan_id);
  }

  return {
    db,

    async activeFor(subject, at) {
      const name = await nodeName(subject.node);
      const rows = await db
        .selectFrom('maintenance_windows')
        .selectAll()
        .where('starts_at', '<=', at)
        .where(sql<boolean>`coalesce(ended_at, ends_at) > ${at}`)
        .execute();
      const active = rows.map(toWindow);
      const byClock = (await openedByClock(at)).map(({ window }) => window);
      const unseen = byClock.filter(({ id }) => !active.some((window) => window.id === id));
      // Somebody may have ended it before its time.
      const ended = new Set(
        unseen.length === 0
          ? []
          : (
              await db
                .selectFrom('maintenance_windows')
                .select('id')
                .where(
                  'id',
                  'in',
                  unseen.map(({ id }) => id),
                )
                // One that began since the first look is there, too, and is no less in force for that.
                .where('ended_at', 'is not', null)
                .execute()
            ).map(({ id }) => id),
      );
      return [...active, ...unseen.filter(({ id }) => !ended.has(id))]
        .filter(({ scope }) => covers(scope, subject, name))
        .toSorted((a, b) => b.endsAt.getTime() - a.endsAt.getTime())[0];
    },

    async during(subjects, since, until) {
      const rows = await db
        .selectFrom('maintenance_windows')
        .selectAll()
        .where('starts_at', '<', until)
        .where(sql<boolean>`coalesce(ended_at, ends_at) > ${since}`)
        .execute();
      if (rows.length === 0) return [];
      const names = new Map(
        await Promise.all(
          [...new Set(subjects.map((each) => each.node))].map(async (id) => [id, await nodeName(id)] as const),
        ),
      );
      return subjects.flatMap((subject) =>
        rows
          .filter(({ scope }) => covers(scope, subject, names.get(subject.node)))
          .map(({ starts_at, ends_at, ended_at }) => ({
            resourceId: subject.id,
            from: starts_at,
            until: ended_at ?? ends_at,
          })),
      );
    },

    open: (window) => insert({ ...window, id: newId(now()) }),

    async get(id) {
      const row = await db.selectFrom('maintenance_windows').selectAll().where('id', '=', id).executeTakeFirst();
      return row && toWindow(row);
    },

    async ofOwner(owner) {
      const row = await db
        .selectFrom('maintenance_windows')
        .selectAll()
        .where('owner', '=', owner)
        .where('ended_at', 'is', null)
        .executeTakeFirst();
      return row && toWindow(row);
    },

    end,

    async extend(id, until) {
      const row = await db
        .updateTable('maintenance_windows')
        .set({ ends_at: until })
        .where('id', '=', id)
        .where('ended_at', 'is', null)
        .returningAll()
        .executeTakeFirst();
      return row && toWindow(row);
    },

    async turn() {
      const at = now();
      for (const { plan, window } of await openedByClock(at)) await insert(window, plan);
      const known = await plans();
      const ids = new Set(known.map(({ id }) => id));
      const due: (Date | undefined)[] = known.map((plan) => nextOpening(plan, at, next));
      for (const row of await unended()) {
        if (await isDone(row, ids, at)) await end(row.id, row.ends_at < at ? row.ends_at : at);
        else if (!row.told && row.starts_at <= at) await tellBeginning(row.id);
        due.push(row.starts_at > at ? row.starts_at : row.ends_at);
      }
      return due
        .filter((instant) => instant !== undefined && instant > at)
        .toSorted((a, b) => (a?.getTime() ?? 0) - (b?.getTime() ?? 0))[0];
    },
  };
}

/** Sorts by the time of its making. */
export function newId(at: Date): string {
  return `mnt_${at.getTime().toString(16).padStart(12, '0')}${randomBytes(3).toString('hex')}`;
}
