import type { Kysely, Selectable } from 'kysely';
import type { Actor } from '../core/actor.ts';
import type { Log } from '../core/log.ts';
import { redactText } from '../core/redact.ts';
import type { Store } from '../store/store.ts';
import type { EngineTables } from './tables.ts';

/** Jobs ask often; a pause takes effect within this. */
const FRESH_MS = 1_000;

/** What does not start by itself: a workflow or a job of Steward, until somebody lets it or the time is over. */
export interface Pause {
  readonly component: string;
  readonly by: string;
  readonly reason: string;
  readonly since: Date;
  readonly until?: Date | undefined;
}

export interface Pauses {
  /** In force right now, for every node. */
  current(): Promise<readonly Pause[]>;
  of(component: string): Promise<Pause | undefined>;
  /** Whether there is one, as it was known a moment ago; no where the store cannot say. */
  isPaused(component: string): Promise<boolean>;
  /** Replaces the one that is there. */
  begin(pause: Pause, actor: Actor): Promise<void>;
  /** False where there is none. */
  end(component: string, actor: Actor): Promise<boolean>;
}

export function createPauses({
  store,
  now,
  log,
  nodeId,
}: {
  readonly store: Store;
  readonly now: () => Date;
  readonly log: Log;
  readonly nodeId: string;
}): Pauses {
  const db: Kysely<EngineTables> = store.db.withTables<EngineTables>();
  let known: { readonly at: number; readonly pauses: readonly Pause[] } | undefined;

  async function current(): Promise<readonly Pause[]> {
    const rows = await db.selectFrom('schedule_pauses').selectAll().orderBy('component').execute();
    const pauses = rows.filter(({ until }) => !until || until > now()).map(toPause);
    known = { at: performance.now(), pauses };
    return pauses;
  }

  return {
    current,
    of: async (component) => (await current()).find((pause) => pause.component === component),
    async isPaused(component) {
      const fresh = known && performance.now() - known.at < FRESH_MS;
      const pauses = fresh
        ? (known?.pauses ?? [])
        : await current().catch((thrown: unknown) => {
            log.debug('pauses not known', { reason: (thrown as Error).message });
            return [];
          });
      return pauses.some((pause) => pause.component === component && (!pause.until || pause.until > now()));
    },
    async begin({ component, by, reason, since, until }, actor) {
      const values = { component, by, reason: redactText(reason), since, until: until ?? null };
      await db.transaction().execute(async (trx) => {
        await trx
          .insertInto('schedule_pauses')
          .values(values)
          .onConflict((conflict) => conflict.column('component').doUpdateSet(values))
          .execute();
        await store.events.append(trx, {
          type: 'schedule.paused',
          subject: { kind: 'schedule', id: component },
          data: { component, by, reason: values.reason, ...(until && { until: until.toISOString() }) },
          actor,
          node: nodeId,
        });
      });
      known = undefined;
    },
    async end(component, actor) {
      const ended = await db.transaction().execute(async (trx) => {
        const row = await trx
          .deleteFrom('schedule_pauses')
          .where('component', '=', component)
          .returningAll()
          .executeTakeFirst();
        if (!row || (row.until && row.until <= now())) return false;
        await store.events.append(trx, {
          type: 'schedule.resumed',
          subject: { kind: 'schedule', id: component },
          data: { component, by: actor.name, pausedSince: row.since.toISOString() },
          actor,
          node: nodeId,
        });
        return true;
      });
      known = undefined;
      return ended;
    },
  };
}

function toPause({ until, ...row }: Selectable<EngineTables['schedule_pauses']>): Pause {
  return { ...row, ...(until && { until }) };
}
