import { sql } from 'kysely';
import { z } from 'zod';
import { CursorInstant } from '../../core/cursor.ts';
import { StewardError } from '../../core/errors.ts';
import { Incident, TimelineEntry } from '../../core/incident.ts';
import type { Json } from '../../core/json.ts';
import { type AnyOperation, defineCommand, defineQuery, PageInput, pageOf } from '../../core/operation.ts';
import type { Store } from '../../store/store.ts';
import { type Ledger, unknownIncident } from './ledger.ts';
import { type IncidentTables, toIncident } from './tables.ts';

const RECENT_MS = 86_400_000;
const id = z.string().min(1).max(100).describe('Id of the incident.');
const text = z.string().trim().min(1).max(2_000);

const IncidentDetail = Incident.extend({
  evidence: z.json().describe('What was there to be seen when it was opened.'),
  timeline: z.array(TimelineEntry),
  children: z.array(Incident).describe('Incidents that this one explains.'),
});

/** The queries and commands about incidents. */
export function incidentOperations({ store, ledger }: { store: Store; ledger: Ledger }): AnyOperation[] {
  const db = store.db.withTables<IncidentTables>();

  async function existing(wanted: string): Promise<Incident> {
    const incident = await ledger.get(wanted);
    if (!incident) throw unknownIncident(wanted);
    return incident;
  }

  const state = async ({ id: wanted }: { readonly id: string }): Promise<Json | undefined> => {
    const incident = await ledger.get(wanted);
    if (!incident) return undefined;
    const { status, acknowledgedBy, resolution } = incident;
    return { status, acknowledgedBy, resolution };
  };

  return [
    defineQuery({
      name: 'incidents',
      title: 'Incidents',
      summary: 'Lists incidents, by default the unresolved ones and those of the last 24 hours, the latest first.',
      permission: 'read',
      input: PageInput.extend({
        status: z
          .enum(['open', 'healing', 'escalated', 'resolved', 'unresolved', 'all'])
          .optional()
          .describe('Only incidents of this status.'),
        resource: z.string().optional().describe('Only incidents of the resource with this id.'),
      }),
      output: pageOf(Incident),
      cli: ['incidents'],
      columns: ['id', 'severity', 'status', 'title', 'openedAt'],
      async handle({ status, resource, limit, cursor }, { now }) {
        const before = cursor === undefined ? undefined : placeOf(cursor);
        const rows = await db
          .selectFrom('incidents')
          .selectAll()
          .$if(status === undefined, (query) =>
            query.where((where) =>
              where.or([
                where('status', '<>', 'resolved'),
                where('opened_at', '>', new Date(now.getTime() - RECENT_MS)),
              ]),
            ),
          )
          .$if(status === 'unresolved', (query) => query.where('status', '<>', 'resolved'))
          .$if(status !== undefined && status !== 'unresolved' && status !== 'all', (query) =>
            query.where('status', '=', status as Incident['status']),
          )
          .$if(resource !== undefined, (query) => query.where('resource_id', '=', resource as string))
          .$if(before !== undefined, (query) =>
            query.where(sql<boolean>`(opened_at, id) < (${before?.at}::timestamptz, ${before?.id})`),
          )
          .orderBy('opened_at', 'desc')
          .orderBy('id', 'desc')
          .limit(limit + 1)
          .execute();
        const items = rows.slice(0, limit).map(toIncident);
        const last = items.at(-1);
        return { items, ...(rows.length > limit && last && { next: `${last.openedAt.toISOString()}_${last.id}` }) };
      },
    }),

    defineQuery({
      name: 'incident-get',
      title: 'One incident',
      summary: 'Shows an incident with its evidence, its timeline and the incidents it explains.',
      permission: 'read',
      input: z.object({ id }),
      output: IncidentDetail,
      paths: ['/api/v1/incidents/{id}'],
      cli: ['incident', 'show'],
      cliArguments: ['id'],
      async handle({ id: wanted }) {
        const row = await db.selectFrom('incidents').selectAll().where('id', '=', wanted).executeTakeFirst();
        if (!row) throw unknownIncident(wanted);
        const [timeline, children] = await Promise.all([
          ledger.timeline(wanted),
          db.selectFrom('incidents').selectAll().where('parent_id', '=', wanted).orderBy('opened_at').execute(),
        ]);
        return {
          ...toIncident(row),
          evidence: ('value' in row.evidence ? row.evidence['value'] : row.evidence) as z.input<
            typeof IncidentDetail
          >['evidence'],
          timeline,
          children: children.map(toIncident),
        };
      },
    }),

    defineCommand({
      name: 'acknowledge-incident',
      title: 'Acknowledge an incident',
      summary: 'Says that you take care of it; healing starts no further attempt.',
      permission: 'operate',
      // What an agent does must not keep a person from being told; it may add a note.
      noAgents: true,
      state,
      input: z.object({ id, note: text.optional().describe('What others should know.') }),
      output: Incident,
      paths: ['/api/v1/incidents/{id}/acknowledge'],
      cli: ['incident', 'acknowledge'],
      cliArguments: ['id'],
      async handle({ id: wanted, note }, { actor }) {
        await existing(wanted);
        const incident = await ledger.acknowledge(wanted, actor);
        if (note !== undefined) await ledger.note(wanted, { kind: 'note', message: note, actor });
        return incident;
      },
    }),

    defineCommand({
      name: 'note-incident',
      title: 'Add a note to an incident',
      summary: 'Writes a note into the timeline of an incident.',
      permission: 'operate',
      input: z.object({ id, note: text.describe('The note.') }),
      output: Incident,
      paths: ['/api/v1/incidents/{id}/notes'],
      cli: ['incident', 'note'],
      cliArguments: ['id', 'note'],
      async handle({ id: wanted, note }, { actor }) {
        await ledger.note(wanted, { kind: 'note', message: note, actor });
        return await existing(wanted);
      },
    }),

    defineCommand({
      name: 'resolve-incident',
      title: 'Resolve an incident',
      summary: 'Closes an incident by hand; it opens again should the symptom still be there.',
      permission: 'operate',
      noAgents: true,
      state,
      input: z.object({ id, resolution: text.default('Closed by hand.').describe('What it was, and what helped.') }),
      output: Incident,
      paths: ['/api/v1/incidents/{id}/resolve'],
      cli: ['incident', 'resolve'],
      cliArguments: ['id'],
      async handle({ id: wanted, resolution }, { actor }) {
        await ledger.resolve(wanted, resolution, actor);
        return await existing(wanted);
      },
    }),
  ];
}

function placeOf(cursor: string): { at: Date; id: string } {
  const split = cursor.indexOf('_');
  const at = CursorInstant.safeParse(cursor.slice(0, Math.max(0, split)));
  if (at.success) return { at: at.data, id: cursor.slice(split + 1) };
  throw new StewardError('INPUT_INVALID', `cursor: '${cursor}' is not the end of a page.`, {
    problems: [{ path: 'cursor', message: 'expected the `next` of the last page, as it was given' }],
    hint: 'Leave it out for the first page.',
  });
}
