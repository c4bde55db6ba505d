import { createHash } from 'node:crypto';
import { type Selectable, sql } from 'kysely';
import type { Severity } from '../../core/incident.ts';
import { atLeast } from '../../core/alert-routing.ts';
import type { EventTables } from '../../store/event-tables.ts';
import { type Rule, type RuleRecord, readBudget, ruleInWords, ruleKey, WINDOW_DAYS } from './budget.ts';
import type { Outbox } from './outbox.ts';
import type { AlertingSettings } from './settings.ts';
import type { AlertTables } from './tables.ts';

/** That a rule is told in the morning's digest only: suggested by its record, in force once a person says so. */
export interface Proposal extends Rule {
  readonly id: string;
  readonly state: 'proposed' | 'accepted' | 'declined';
  /** Covers what is told with this severity or less; worse than it was so far is told as ever. */
  readonly severity: Severity;
  readonly pages: number;
  readonly actedPages: number;
  readonly precision: number;
  readonly proposedAt: Date;
  readonly decidedBy?: string | undefined;
  readonly decidedAt?: Date | undefined;
  /** Until then the decision holds; after it the record counts anew. */
  readonly until?: Date | undefined;
}

export type Proposals = ReturnType<typeof createProposals>;

const DAY_MS = 86_400_000;
/** Services change: what was noise in spring may be the first sign in autumn. */
const HOLDS_MS = 90 * DAY_MS;

export function createProposals({
  outbox,
  settings,
  now,
}: {
  readonly outbox: Pick<Outbox, 'db'>;
  readonly settings: () => Pick<AlertingSettings, 'budget'>;
  readonly now: () => Date;
}) {
  const db = outbox.db.withTables<EventTables>();

  const isUnder = ({ precision, incidents }: RuleRecord): boolean => {
    const { floor, judged } = settings().budget;
    return precision !== undefined && precision < floor && incidents.acted + incidents.ignored >= judged;
  };

  return {
    budget: () => readBudget(db, now()),
    isUnder,

    /** Suggests what fell under its floor, and takes back what is above it again; what a person decided stays. */
    async refresh(): Promise<void> {
      const at = now();
      const under = (await readBudget(db, at)).rules.filter(isUnder);
      await db.transaction().execute(async (trx) => {
        await trx
          .deleteFrom('alert_proposals')
          .where('state', '=', 'proposed')
          .where(sql<boolean>`not (id = any(${under.map(idOf)}::text[]))`)
          .execute();
        for (const rule of under) {
          const { symptom, service, severity, pages, actedPages, precision = 0 } = rule;
          const figures = { severity, pages, acted_pages: actedPages, precision };
          await trx
            .insertInto('alert_proposals')
            .values({
              id: idOf(rule),
              symptom,
              service: service ?? null,
              state: 'proposed',
              ...figures,
              proposed_at: at,
              decided_by: null,
              decided_at: null,
              until: null,
            })
            .onConflict((conflict) =>
              conflict.column('id').doUpdateSet(figures).where('alert_proposals.state', '=', 'proposed'),
            )
            .execute();
        }
      });
    },

    /** Decisions whose time is over. */
    async forget(): Promise<void> {
      await db.deleteFrom('alert_proposals').where('until', '<=', now()).execute();
    },

    async all(): Promise<Proposal[]> {
      const rows = await db
        .selectFrom('alert_proposals')
        .selectAll()
        .where((where) => where.or([where('until', 'is', null), where('until', '>', now())]))
        .orderBy('pages', 'desc')
        .orderBy('id')
        .execute();
      return rows.map(toProposal);
    },

    /** The accepted one by which only the digest tells of it. */
    async covering({ symptom, service }: Rule, severity: Severity): Promise<Proposal | undefined> {
      const row = await db
        .selectFrom('alert_proposals')
        .selectAll()
        .where('id', '=', idOf({ symptom, service }))
        .where('state', '=', 'accepted')
        .where('until', '>', now())
        .executeTakeFirst();
      return row && atLeast(row.severity, severity) ? toProposal(row) : undefined;
    },

    /** Undefined where there is none that can be decided so. */
    async decide(id: string, state: 'accepted' | 'declined', by: string): Promise<Proposal | undefined> {
      const at = now();
      const row = await db
        .updateTable('alert_proposals')
        .set({ state, decided_by: by, decided_at: at, until: new Date(at.getTime() + HOLDS_MS) })
        .where('id', '=', id)
        .where('state', '<>', state)
        .returningAll()
        .executeTakeFirst();
      return row && toProposal(row);
    },
  };
}

/** What it would have done to the recorded history. */
export function replay({ pages, actedPages }: Pick<Proposal, 'pages' | 'actedPages'>): string {
  const told = `${pages} page${pages === 1 ? '' : 's'}`;
  return `Of the last ${WINDOW_DAYS} days this would have silenced ${told}, of which ${actedPages} ${actedPages === 1 ? 'was' : 'were'} acted on.`;
}

export function coveredInWords(proposal: Proposal): string {
  const { decidedBy = 'somebody', until } = proposal;
  return `In the digest only, until ${until?.toISOString().slice(0, 10) ?? 'further notice'}: ${decidedBy} accepted that for ${ruleInWords(proposal)}.`;
}

/** One rule has one, however often it is suggested. */
function idOf(rule: Rule): string {
  return `prp_${createHash('sha256').update(ruleKey(rule)).digest('hex').slice(0, 12)}`;
}

function toProposal(row: Selectable<AlertTables['alert_proposals']>): Proposal {
  return {
    id: row.id,
    symptom: row.symptom,
    state: row.state,
    severity: row.severity,
    pages: row.pages,
    actedPages: row.acted_pages,
    precision: row.precision,
    proposedAt: row.proposed_at,
    ...(row.service !== null && { service: row.service }),
    ...(row.decided_by !== null && { decidedBy: row.decided_by }),
    ...(row.decided_at !== null && { decidedAt: row.decided_at }),
    ...(row.until !== null && { until: row.until }),
  };
}
