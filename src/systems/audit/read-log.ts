import { type RawBuilder, sql, type Kysely } from 'kysely';
import { z } from 'zod';
import { Actor } from '../../core/actor.ts';
import type { AuditEntry } from '../../core/audit.ts';
import { CursorInstant, CursorNumber, CursorText } from '../../core/cursor.ts';
import { StewardError } from '../../core/errors.ts';
import { Causation, Subject } from '../../core/event.ts';
import { PageInput } from '../../core/operation.ts';
import type { AuditTables } from './tables.ts';

export const AuditRecord = z.object({
  chain: z.string(),
  seq: z.number().int(),
  at: z.coerce.date(),
  action: z.string(),
  outcome: z.enum(['allowed', 'refused', 'succeeded', 'failed']),
  actor: Actor,
  subject: Subject.optional(),
  from: z.string().describe('The address it came from; the part of Steward where there is none.'),
  node: z.string().optional().describe('Where it happened.'),
  reason: z.string().optional(),
  requestId: z.string().optional(),
  causation: Causation.optional(),
  before: z.json().optional(),
  after: z.json().optional(),
  detail: z.json().optional(),
  hash: z.string().describe('What the next record of its chain is written after.'),
});
export type AuditRecord = z.input<typeof AuditRecord>;

export const Filters = PageInput.extend({
  action: z
    .string()
    .max(100)
    .optional()
    .describe('Only this action, or with a dot at its end everything that begins so: token.'),
  actor: z.string().max(200).optional().describe('Id or name of who acted, or on whose behalf.'),
  outcome: AuditRecord.shape.outcome.optional(),
  subject: z.string().max(400).optional().describe('What it was about: its kind, or kind and id as in run:run_01ab.'),
  from: z.string().max(200).optional().describe('The address it came from.'),
  node: z.string().max(200).optional().describe('The node where it happened.'),
  since: z.coerce.date().optional().describe('Not before this instant.'),
  until: z.coerce.date().optional().describe('Before this instant.'),
});
type Filters = z.output<typeof Filters>;

/** What reports of security are made of: refusals, and whatever is done to access. */
const SECURITY =
  '^(login|setup|access|token|user|session|security|confirmation|mode|request)[.]|^command[.].*(token|user|session|sign-out|password|passkey|authenticator|recovery-codes|second-factor|set-mode|node-invite)';

export interface Selection {
  readonly filters: Partial<Omit<Filters, 'limit' | 'cursor'>> & Pick<Filters, 'limit' | 'cursor'>;
  readonly security?: boolean;
  readonly about?: RawBuilder<boolean>;
  readonly order?: 'newest' | 'oldest';
}

/** Page by page; the cursor names the last record shown. */
export async function readLog(
  db: Kysely<AuditTables>,
  { filters, security, about, order = 'newest' }: Selection,
): Promise<{ items: AuditRecord[]; next?: string }> {
  const after = filters.cursor === undefined ? undefined : parseCursor(filters.cursor);
  const direction = order === 'newest' ? 'desc' : 'asc';
  const { action, actor, outcome, subject, from, node } = filters;
  const rows = await db
    .selectFrom('audit_log')
    .select(['chain', 'seq', 'at', 'entry', 'hash'])
    .$if(after !== undefined, (query) =>
      query.where(
        sql<boolean>`(at, chain, seq) ${sql.raw(order === 'newest' ? '<' : '>')} (${after?.at}, ${after?.chain}, ${after?.seq})`,
      ),
    )
    .$if(filters.since !== undefined, (query) => query.where('at', '>=', filters.since as Date))
    .$if(filters.until !== undefined, (query) => query.where('at', '<', filters.until as Date))
    .$if(outcome !== undefined, (query) => query.where(text('{outcome}'), '=', outcome as string))
    .$if(from !== undefined, (query) => query.where(text('{from}'), '=', from as string))
    .$if(node !== undefined, (query) => query.where(text('{node}'), '=', node as string))
    .$if(action !== undefined, (query) =>
      action?.endsWith('.')
        ? query.where(sql<boolean>`starts_with(${text('{action}')}, ${action})`)
        : query.where(text('{action}'), '=', action as string),
    )
    .$if(actor !== undefined, (query) =>
      query.where(
        sql<boolean>`${actor} in (${text('{actor,id}')}, ${text('{actor,name}')}, ${text('{actor,onBehalfOf}')})`,
      ),
    )
    .$if(subject !== undefined, (query) => query.where(isAbout(subjectOf(subject as string))))
    .$if(about !== undefined, (query) => query.where(about as RawBuilder<boolean>))
    .$if(security === true, (query) =>
      query.where(sql<boolean>`(${text('{outcome}')} = 'refused' or ${text('{action}')} ~ ${SECURITY})`),
    )
    .orderBy('at', direction)
    .orderBy('chain', direction)
    .orderBy('seq', direction)
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

/** A member of the entry, as text. */
export function text(path: string): RawBuilder<string> {
  return sql<string>`entry #>> ${sql.lit(path)}::text[]`;
}

/** In the spelling of the index. */
export function isAbout({
  kind,
  id,
}: {
  readonly kind: string;
  readonly id?: string | undefined;
}): RawBuilder<boolean> {
  return id === undefined
    ? sql<boolean>`entry->'subject'->>'kind' = ${kind}`
    : sql<boolean>`(entry->'subject'->>'kind' = ${kind} and entry->'subject'->>'id' = ${id})`;
}

function subjectOf(given: string): { kind: string; id?: string } {
  const at = given.indexOf(':');
  return at < 0 ? { kind: given } : { kind: given.slice(0, at), id: given.slice(at + 1) };
}

const Cursor = z.tuple([CursorInstant, CursorText, CursorNumber]);

function parseCursor(cursor: string): { at: Date; chain: string; seq: number } {
  try {
    const [at, chain, seq] = Cursor.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    return { at, chain, seq };
  } catch (cause) {
    throw new StewardError('INPUT_INVALID', 'cursor: this is not one that a page gave as its next.', {
      problems: [{ path: 'cursor', message: 'Expected the `next` of the page before.' }],
      hint: 'Leave cursor out to begin at the first page.',
      cause,
    });
  }
}
