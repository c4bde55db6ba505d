import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { AuditEntry, AuditLog } from '../../core/audit.ts';
import { StewardError } from '../../core/errors.ts';
import { type AnyOperation, type Call, defineQuery, NoInput, pageOf } from '../../core/operation.ts';
import { Delivery } from './deliveries.ts';
import { exported, rangesOf } from './export.ts';
import { AuditRecord, Filters, readLog } from './read-log.ts';
import { Statistics, statisticsOf } from './statistics.ts';
import type { AuditTables } from './tables.ts';
import { trailOf } from './trail.ts';
import { AuditReport } from './verify.ts';

export interface AuditQueries {
  readonly db: Kysely<AuditTables>;
  readonly audit: AuditLog;
  verify(): Promise<AuditReport>;
  deliveries(): Promise<Delivery[]>;
}

const columns = ['at', 'actor.name', 'action', 'subject.id', 'outcome', 'from', 'node'];

const Export = z.object({
  format: z
    .enum(['jsonl', 'csv'])
    .default('jsonl')
    .describe('jsonl can be verified later, with steward audit verify --file; csv is for spreadsheets.'),
  since: z.coerce.date().optional().describe('Not before this instant.'),
  until: z.coerce.date().optional().describe('Before this instant.'),
});

/** What is asked of the record. Who asked is in the record, too. */
export function auditOperations({ db, audit, verify, deliveries }: AuditQueries): readonly AnyOperation[] {
  const note = (call: Call, operation: string, detail: object, more: Partial<AuditEntry> = {}): Promise<void> =>
    audit.append({
      action: 'audit.read',
      actor: call.actor,
      outcome: 'succeeded',
      from: call.from,
      requestId: call.requestId,
      subject: { kind: 'operation', id: operation },
      detail: JSON.parse(JSON.stringify(detail)) as AuditEntry['detail'],
      ...more,
    });

  return [
    defineQuery({
      name: 'audit-logs',
      title: 'Audit log',
      summary: 'Lists who did what, when and from where, newest first.',
      permission: 'audit',
      paths: ['/api/v1/automation/audit/logs'],
      cli: ['audit', 'logs'],
      columns,
      input: Filters,
      output: pageOf(AuditRecord),
      async handle(filters, call) {
        await note(call, 'audit-logs', filters);
        return await readLog(db, { filters });
      },
    }),
    defineQuery({
      name: 'audit-security-events',
      title: 'Security events',
      summary:
        'Lists refused access, failed sign-ins, lock-outs, anomalies and changes of users and tokens, newest first.',
      permission: 'audit',
      paths: ['/api/v1/automation/audit/security-events'],
      cli: ['audit', 'security'],
      columns,
      input: Filters,
      output: pageOf(AuditRecord),
      async handle(filters, call) {
        await note(call, 'audit-security-events', filters);
        return await readLog(db, { filters, security: true });
      },
    }),
    defineQuery({
      name: 'audit-trail',
      title: 'Trail of one thing',
      summary:
        'Tells the story of one run, resource, incident, token, user or any other subject in its order: what was done to it, and what came of that.',
      permission: 'audit',
      paths: ['/api/v1/automation/audit/trail/{type}/{id}'],
      cli: ['audit', 'trail'],
      cliArguments: ['type', 'id'],
      columns,
      input: Filters.omit({ subject: true }).extend({
        type: z.string().min(1).max(100).describe('Kind of the subject: run, resource, token.'),
        id: z.string().min(1).max(300).describe('Its id.'),
      }),
      output: pageOf(AuditRecord),
      async handle({ type, id, ...filters }, call) {
        await note(call, 'audit-trail', { type, id, ...filters });
        return await readLog(db, { filters, about: await trailOf(db, { type, id }), order: 'oldest' });
      },
    }),
    defineQuery({
      name: 'audit-statistics',
      title: 'Audit statistics',
      summary: 'Counts the records of a period by day, action, outcome and actor, and how many were refusals.',
      permission: 'audit',
      paths: ['/api/v1/automation/audit/statistics'],
      cli: ['audit', 'statistics'],
      input: z.object({
        since: z.coerce.date().optional().describe('By default a week ago.'),
        until: z.coerce.date().optional().describe('By default now.'),
      }),
      output: Statistics,
      async handle({ since, until }, call) {
        const period = { since: since ?? new Date(call.now.getTime() - 7 * 86_400_000), until: until ?? call.now };
        await note(call, 'audit-statistics', period);
        return await statisticsOf(db, period);
      },
    }),
    defineQuery({
      name: 'audit-export',
      title: 'Export the audit log',
      summary: 'Gives the audit log of a period as a file, chain included, oldest first.',
      permission: 'audit',
      paths: ['/api/v1/automation/audit/export'],
      cli: ['audit', 'export'],
      input: Export,
      output: z.object({
        records: z.number().int().describe('Records that the file would hold.'),
        chains: z.array(z.object({ chain: z.string(), first: z.number().int(), last: z.number().int() })),
      }),
      async handle(period, call) {
        await note(call, 'audit-export', period);
        const chains = await rangesOf(db, period);
        return { records: chains.reduce((sum, { first, last }) => sum + last - first + 1, 0), chains };
      },
      download: {
        types: ['application/jsonl', 'text/csv'],
        async open(input, call) {
          const chains = await rangesOf(db, input);
          const detail = { ...input, chains };
          await note(call, 'audit-export', detail, { action: 'audit.exported', outcome: 'allowed' });
          return {
            fileName: `steward-audit-${call.now.toISOString().slice(0, 10)}.${input.format}`,
            contentType: input.format === 'csv' ? 'text/csv; charset=utf-8' : 'application/jsonl',
            chunks: withEnd(exported(db, chains, input.format), (whole) =>
              note(call, 'audit-export', detail, { action: 'audit.exported', outcome: whole ? 'succeeded' : 'failed' }),
            ),
          };
        },
      },
    }),
    defineQuery({
      name: 'audit-deliveries',
      title: 'Deliveries of the audit log',
      summary: 'Shows where the audit log of this node goes besides the store, and how far behind that is.',
      permission: 'audit',
      paths: ['/api/v1/automation/audit/deliveries'],
      cli: ['audit', 'deliveries'],
      columns: ['kind', 'to', 'seq', 'behind', 'failingSince', 'error'],
      input: NoInput,
      output: z.object({ items: z.array(Delivery) }),
      handle: async () => ({ items: await deliveries() }),
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
        await note(call, 'audit-verify', { ok: report.ok }).catch((thrown: unknown) => {
          if (report.ok) throw thrown;
        });
        return intactOrThrow(report);
      },
    }),
  ];
}

/** Told at the end whether all of it was taken. */
async function* withEnd(
  chunks: AsyncIterable<string>,
  ended: (whole: boolean) => Promise<void>,
): AsyncGenerator<string> {
  let whole = false;
  try {
    yield* chunks;
    whole = true;
  } finally {
    await ended(whole);
  }
}

/** The report of an intact log; a broken one is an error, so that scripts see it in the exit code. */
export function intactOrThrow<Report extends Pick<AuditReport, 'chain' | 'problem'>>(report: Report): Report {
  if (!report.problem) return report;
  const { kind, seq, message } = report.problem;
  throw new StewardError('AUDIT_BROKEN', `The audit log is broken at record ${seq} (${kind}): ${message}`, {
    hint: 'Treat what Steward did since that record as unproven, keep a copy of the database, and find out who had access to it.',
    problems: [{ path: `${report.chain}.${seq}`, message: kind }],
  });
}
