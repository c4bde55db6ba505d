import { sql, type Kysely } from 'kysely';
import { z } from 'zod';
import { Actor } from '../../core/actor.ts';
import type { AuditEntry, AuditLog } from '../../core/audit.ts';
import { CursorInstant, CursorNumber, CursorText } from '../../core/cursor.ts';
import { StewardError } from '../../core/errors.ts';
import { Causation, Subject } from '../../core/event.ts';
import { type AnyOperation, type Call, defineQuery, NoInput, PageInput, pageOf } from '../../core/operation.ts';
import type { AuditTables } from './tables.ts';
import { AuditReport } from './verify.ts';

const AuditRecord = z.object({
  chain: z.string(),
  seq: z.number().int(),
  at: z.coerce.date(),
  action: z.string(),
  outcome: z.enum(['allowed', 'refused', 'succeeded', 'failed']),
  actor: Actor,
  subject: Subject.optional(),
  from: z.string(),
  reason: z.string().optional(),
  requestId: z.string().optional(),
  causation: Causation.optional(),
  before: z.json().optional(),
  after: z.json().optional(),
  detail: z.json().optional(),
});
type AuditRecord = z.input<typeof AuditRecord>;

const Filters = PageInput.extend({
  action: z
    .string()
    .max(100)
    .optional()
    .describe('Only this action, or with a dot at its end everything that begins so: token.'),
  actor: z.string().max(200).optional().describe('Id or name of who acted.'),
  outcome: AuditRecord.shape.outcome.optional(),
  since: z.coerce.date().optional().describe('Not before this instant.'),
  until: z.coerce.date().optional().describe('Before this instant.'),
});
type Filters = z.output<typeof Filters> & {
  readonly subject?: { readonly kind: string; readonly id: string };
  readonly security?: boolean;
};

export interface AuditQueries {
  readonly db: Kysely<AuditTables>;
  readonly audit: AuditLog;
  verify(): Promise<AuditReport>;
}

export function auditOperations({ db, audit, verify }: AuditQueries): readonly AnyOperation[] {
  const noteRead = (call: Call, operation: string, detail: AuditEntry['detail']): Promise<void> =>
    audit.append({
      action: 'audit.read',
      actor: call.actor,
      outcome: 'succeeded',
      from: call.from,
      requestId: call.requestId,
      subject: { kind: 'operation', id: operation },
      detail,
    });

  const asDetail = (value: unknown): AuditEntry['detail'] => JSON.parse(JSON.stringify(value)) as AuditEntry['detail'];

  return [
    defineQuery({
      name: 'audit-logs',
      title: 'Audit log',
      summary: 'Lists who did what, when and from where, newest first.',
      permission: 'audit',
      paths: ['/api/v1/automation/audit/logs'],
      cli: ['audit', 'logs'],
      columns: ['at', 'actor.name', 'action', 'subject.id', 'outcome', 'from'],
      input: Filters,
      output: pageOf(AuditRecord),
      async handle(input, call) {
        await noteRead(call, 'audit-logs', asDetail(input));
        return await readLog(db, input);
      },
    }),
    defineQuery({
      name: 'audit-security-events',
      title: 'Security events',
      summary: 'Lists refused access, failed sign-ins, lock-outs and changes of users and tokens, newest first.',
      permission: 'audit',
      paths: ['/api/v1/automation/audit/security-events'],
      cli: ['audit', 'security'],
      columns: ['at', 'actor.name', 'action', 'outcome', 'from'],
      input: Filters,
      output: pageOf(AuditRecord),
      async handle(input, call) {
        await noteRead(call, 'audit-security-events', asDetail(input));
        return await readLog(db, { ...input, security: true });
      },
    }),
    defineQuery({
      name: 'audit-trail',
      title: 'Trail of one thing',
      summary: 'Lists what was done to one run, resource, token, user or any other subject, newest first.',
      permission: 'audit',
      paths: ['/api/v1/automation/audit/trail/{type}/{id}'],
      cli: ['audit', 'trail'],
      cliArguments: ['type', 'id'],
      columns: ['at', 'actor.name', 'action', 'outcome', 'from'],
      input: Filters.extend({
        type: z.string().min(1).max(100).describe('Kind of the subject: run, resource, token.'),
        id: z.string().min(1).max(300).describe('Its id.'),
      }),
      output: pageOf(AuditRecord),
      async handle({ type, id, ...filters }, call) {
        await noteRead(call, 'audit-trail', asDetail({ type, id, ...filters }));
        return await readLog(db, { ...filters, subject: { kind: type, id } });
      },
    }),
    defineQuery({
      name: 'audit-statistics',
      title: 'Audit statistics',
      summary: 'Counts the records of a period by action, outcome and actor.',
      permission: 'audit',
      paths: ['/api/v1/automation/audit/statistics'],
      cli: ['audit', 'statistics'],
      input: z.object({
        since: z.coerce.date().optional().describe('By default a week ago.'),
        until: z.coerce.date().optional(),
      }),
      output: z.object({
        since: z.coerce.date(),
        until: z.coerce.date(),
        records: z.number().int(),
        byOutcome: z.record(z.string(), z.number().int()),
        byAction: z.array(z.object({ action: z.string(), count: z.number().int() })),
        byActor: z.array(
          z.object({ id: z.string(), name: z.string(), count: z.number().int(), refused: z.number().int() }),
        ),
      }),
      async handle({ since, until }, call) {
        const period = { since: since ?? new Date(call.now.getTime() - 7 * 86_400_000), until: until ?? call.now };
        await noteRead(call, 'audit-statistics', asDetail(period));
        return await statistics(db, period);
      },
    }),
    defineQuery({
      name: 'audit-verify',
      title: 'Verify the audit log',
      summary:
        'Reads the whole audit log of this node and finds a record that was edited, removed, reordered or cut off.',
      permission: 'audit',
      paths: ['/api/v1/automation/audit/verify'],
      cli: ['audit', 'verify'],
      input: NoInput,
      output: AuditReport,
      async handle(_input, call) {
        const report = await verify();
        // A log that was tampered with may refuse the next record; that must not hide the finding.
        await noteRead(call, 'audit-verify', { ok: report.ok }).catch((thrown: unknown) => {
          if (report.ok) throw thrown;
        });
        return intactOrThrow(report);
      },
    }),
  ];
}

/** The report of an intact log; a broken one is an error, so that scripts see it in the exit code. */
export function intactOrThrow(report: AuditReport): AuditReport {
  if (!report.problem) return report;
  const { kind, seq, message } = report.problem;
  throw new StewardError('AUDIT_BROKEN', `The audit log is broken at record ${seq} (${kind}): ${message}`, {
    hint: 'Treat what Steward did since that record as unproven, keep a copy of the database, and find out who had access to it.',
    problems: [{ path: `${report.chain}.${seq}`, message: kind }],
  });
}

/** Page by page from the newest; the cursor names the last record shown. */
async function readLog(db: Kysely<AuditTables>, filters: Filters): Promise<{ items: AuditRecord[]; next?: string }> {
  const after = filters.cursor === undefined ? undefined : parseCursor(filters.cursor);
  const text = (path: string) => sql<string>`entry #>> ${sql.lit(path)}::text[]`;
  const rows = await db
    .selectFrom('audit_log')
    .select(['chain', 'seq', 'at', 'entry'])
    .$if(after !== undefined, (query) =>
      query.where(sql<boolean>`(at, chain, seq) < (${after?.at}, ${after?.chain}, ${after?.seq})`),
    )
    .$if(filters.since !== undefined, (query) => query.where('at', '>=', filters.since as Date))
    .$if(filters.until !== undefined, (query) => query.where('at', '<', filters.until as Date))
    .$if(filters.outcome !== undefined, (query) => query.where(text('{outcome}'), '=', filters.outcome as string))
    .$if(filters.action !== undefined, (query) => {
      const action = filters.action as string;
      return action.endsWith('.')
        ? query.where(sql<boolean>`starts_with(${text('{action}')}, ${action})`)
        : query.where(text('{action}'), '=', action);
    })
    .$if(filters.actor !== undefined, (query) =>
      query.where(sql<boolean>`${filters.actor} in (${text('{actor,id}')}, ${text('{actor,name}')})`),
    )
    .$if(filters.subject !== undefined, (query) =>
      query.where(
        sql<boolean>`entry->'subject'->>'kind' = ${filters.subject?.kind} and entry->'subject'->>'id' = ${filters.subject?.id}`,
      ),
    )
    .$if(filters.security === true, (query) =>
      query.where(
        sql<boolean>`(${text('{outcome}')} = 'refused' or ${text('{action}')} ~ '^(login|setup|access|token|user|session)[.]|^command[.].*-(token|user|session)$')`,
      ),
    )
    .orderBy('at', 'desc')
    .orderBy('chain', 'desc')
    .orderBy('seq', 'desc')
    .limit(filters.limit + 1)
    .execute();
  const items = rows
    .slice(0, filters.limit)
    .map(({ entry, ...place }) => ({ ...(entry as unknown as AuditEntry), ...place }) as AuditRecord);
  const last = rows.length > filters.limit ? rows[filters.limit - 1] : undefined;
  return {
    items,
    ...(last
      ? { next: Buffer.from(JSON.stringify([last.at.toISOString(), last.chain, last.seq])).toString('base64url') }
      : {}),
  };
}

const Cursor = z.tuple([CursorInstant, CursorText, CursorNumber]);

function parseCursor(cursor: string): { at: Date; chain: string; seq: number } {
  try {
    const [at, chain, seq] = Cursor.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    if (/\0/.test(chain)) throw new Error('not a chain');
    return { at, chain, seq };
  } catch (cause) {
    throw new StewardError('INPUT_INVALID', 'cursor: this is not one that a page gave as its next.', {
      problems: [{ path: 'cursor', message: 'Expected the `next` of the page before.' }],
      hint: 'Leave cursor out to begin at the newest record.',
      cause,
    });
  }
}

async function statistics(db: Kysely<AuditTables>, { since, until }: { since: Date; until: Date }) {
  const { rows } = await sql<{ action: string; outcome: string; id: string; name: string; count: number }>`
    select entry->>'action' as action, entry->>'outcome' as outcome, entry->'actor'->>'id' as id, max(entry->'actor'->>'name') as name, count(*) as count
    from audit_log where at >= ${since} and at < ${until} group by 1, 2, 3`.execute(db);
  const byOutcome: Record<string, number> = {};
  const actions = new Map<string, number>();
  const actors = new Map<string, { name: string; count: number; refused: number }>();
  for (const { action, outcome, id, name, count } of rows) {
    byOutcome[outcome] = (byOutcome[outcome] ?? 0) + count;
    actions.set(action, (actions.get(action) ?? 0) + count);
    const actor = actors.get(id) ?? { name, count: 0, refused: 0 };
    actors.set(id, { name, count: actor.count + count, refused: actor.refused + (outcome === 'refused' ? count : 0) });
  }
  const most = <T extends { count: number }>(one: T, other: T): number => other.count - one.count;
  return {
    since,
    until,
    records: rows.reduce((sum, { count }) => sum + count, 0),
    byOutcome,
    byAction: [...actions].map(([action, count]) => ({ action, count })).toSorted(most),
    byActor: [...actors].map(([id, actor]) => ({ id, ...actor })).toSorted(most),
  };
}
