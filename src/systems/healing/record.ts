import { sql, type Transaction } from 'kysely';
import { ms } from '../../core/duration.ts';
import type { Runbook } from '../../core/runbook.ts';
import type { Store } from '../../store/store.ts';
import type { Tried } from './choose.ts';
import type { HealingSettings } from './settings.ts';
import { type Attempt, type HealingTables, UNDISTURBING } from './tables.ts';
import { initialStanding, judge, type Outcome, type Verdict } from './trust.ts';

const EVERYTHING = '*';
const HOUR_MS = 3_600_000;

/** What the attempts made so far say: of a runbook on one trouble, and of a runbook altogether. */
export interface Ledger {
  /** Takes heals of this trouble back that did not last: it is here again soon after they ended it. */
  takeBack(trouble: { readonly fingerprint: string }, settings: HealingSettings): Promise<Attempt[]>;
  /** By runbook, what was tried on this trouble. */
  tried(
    trouble: { readonly fingerprint: string; readonly resourceId: string },
    settings: HealingSettings,
  ): Promise<ReadonlyMap<string, Tried>>;
  /** What the runbook may do by itself now, and why. */
  standing(runbook: Runbook, settings: HealingSettings): Promise<Verdict>;
  /** Judges the runbook anew after what was learned; whoever waits for news hears of it where its standing changes. */
  reconsider(runbook: Runbook, settings: HealingSettings): Promise<void>;
  /** How many disruptive attempts lie within the last hour, everywhere. */
  disruptiveWithinHour(): Promise<number>;
  /** Forgets the failures of a runbook, on one resource or everywhere; everywhere it also begins anew with its autonomy. */
  forgive(runbook: string, resourceId: string | undefined, by: string): Promise<void>;
}

export function createLedger({ store, now }: { store: Store; now: () => Date }): Ledger {
  const db = store.db.withTables<HealingTables>();

  async function outcomes(
    trx: typeof db | Transaction<HealingTables>,
    runbook: string,
    window: number,
  ): Promise<Outcome[]> {
    const pardon = await trx
      .selectFrom('healing_pardons')
      .select('at')
      .where('runbook', '=', runbook)
      .where('resource_id', '=', EVERYTHING)
      .executeTakeFirst();
    const rows = await trx
      .selectFrom('healing_attempts')
      .select(['status', 'recurred_at', 'fingerprint', 'finished_at'])
      .where('runbook', '=', runbook)
      .where('status', 'in', ['succeeded', 'failed'])
      .$if(pardon !== undefined, (query) => query.where('finished_at', '>', pardon?.at ?? new Date(0)))
      .orderBy('finished_at', 'desc')
      .orderBy('id', 'desc')
      .limit(window)
      .execute();
    return rows.map(({ status, recurred_at, fingerprint, finished_at }) => ({
      helped: status === 'succeeded' && recurred_at === null,
      recurred: recurred_at !== null,
      fingerprint,
      at: recurred_at ?? finished_at ?? new Date(0),
    }));
  }

  async function stand(
    trx: typeof db | Transaction<HealingTables>,
    runbook: Runbook,
    { autonomy }: HealingSettings,
  ): Promise<{ verdict: Verdict; current: Verdict['standing'] }> {
    const row = await trx
      .selectFrom('healing_autonomy')
      .selectAll()
      .where('runbook', '=', runbook.name)
      .executeTakeFirst();
    const current = row?.standing ?? initialStanding(runbook, autonomy);
    const verdict = judge(
      runbook,
      autonomy,
      { standing: current, since: row?.since },
      await outcomes(trx, runbook.name, autonomy.window),
    );
    return { verdict, current };
  }

  return {
    async takeBack({ fingerprint }, settings) {
      const at = now();
      return await db
        .updateTable('healing_attempts')
        .set({ recurred_at: at })
        .where('fingerprint', '=', fingerprint)
        .where('status', '=', 'succeeded')
        .where('recurred_at', 'is', null)
        .where('finished_at', '>', new Date(at.getTime() - ms(settings.recurrence)))
        .returningAll()
        .execute();
    },

    async tried({ fingerprint, resourceId }, settings) {
      const since = new Date(now().getTime() - ms(settings.memory));
      const rows = await db
        .selectFrom('healing_attempts')
        .select(['runbook', 'fingerprint', 'status', 'recurred_at', 'started_at', 'finished_at', 'outcome'])
        .where('resource_id', '=', resourceId)
        .where('started_at', '>', since)
        .orderBy('started_at')
        .orderBy('id')
        .execute();
      const pardons = await db
        .selectFrom('healing_pardons')
        .selectAll()
        .where('resource_id', 'in', [resourceId, EVERYTHING])
        .execute();
      const forgiven = (runbook: string, at: Date): boolean =>
        pardons.some((pardon) => pardon.runbook === runbook && pardon.at >= at);
      const found = new Map<string, Tried>();
      for (const { runbook, status, recurred_at, started_at, finished_at, outcome, ...row } of rows) {
        const before = found.get(runbook) ?? { runbook, failures: 0, lastOutcome: undefined, lastAt: undefined };
        const here = row.fingerprint === fingerprint && finished_at !== null && !forgiven(runbook, finished_at);
        const helped = here && status === 'succeeded' && recurred_at === null;
        const failed = here && (status === 'failed' || recurred_at !== null);
        found.set(runbook, {
          runbook,
          failures: helped ? 0 : before.failures + (failed ? 1 : 0),
          lastOutcome: failed ? failureOf(outcome, recurred_at) : before.lastOutcome,
          lastAt: started_at,
        });
      }
      return found;
    },

    async standing(runbook, settings) {
      const { verdict, current } = await stand(db, runbook, settings);
      return { ...verdict, standing: current === 'propose' ? 'propose' : verdict.standing };
    },

    async reconsider(runbook, settings) {
      await db.transaction().execute(async (trx) => {
        await sql`select pg_advisory_xact_lock(hashtextextended(${`healing:runbook:${runbook.name}`}, 0))`.execute(trx);
        const { verdict, current } = await stand(trx, runbook, settings);
        if (verdict.standing === current) return;
        const { standing, why, helped, decided } = verdict;
        const row = { runbook: runbook.name, standing, since: now(), why };
        await trx
          .insertInto('healing_autonomy')
          .values(row)
          .onConflict((conflict) => conflict.column('runbook').doUpdateSet(row))
          .execute();
        await store.events.append(trx, {
          type: standing === 'auto' ? 'healing.autonomy-gained' : 'healing.autonomy-lost',
          subject: { kind: 'runbook', id: runbook.name },
          data: { runbook: runbook.name, standing, why, helped, decided },
        });
      });
    },

    async disruptiveWithinHour() {
      const { made } = await db
        .selectFrom('healing_attempts')
        .select(sql<number>`count(*)`.as('made'))
        .where('disruptive', '=', true)
        .where('started_at', '>', new Date(now().getTime() - HOUR_MS))
        .where('status', 'not in', UNDISTURBING)
        .executeTakeFirstOrThrow();
      return made;
    },

    async forgive(runbook, resourceId, by) {
      const row = { runbook, resource_id: resourceId ?? EVERYTHING, at: now(), by };
      await db.transaction().execute(async (trx) => {
        await trx
          .insertInto('healing_pardons')
          .values(row)
          .onConflict((conflict) => conflict.columns(['runbook', 'resource_id']).doUpdateSet(row))
          .execute();
        if (resourceId === undefined) await trx.deleteFrom('healing_autonomy').where('runbook', '=', runbook).execute();
      });
    },
  };
}

function failureOf(outcome: string | null, recurredAt: Date | null): string | undefined {
  if (recurredAt !== null) return 'it had helped, and the trouble was back soon';
  return outcome ?? undefined;
}
