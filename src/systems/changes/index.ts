import { z } from 'zod';
import { ChangeEntry, type ChangeLog, type ChangesWanted, type PackageHistory } from '../../core/change-log.ts';
import { Duration, ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { StewardEvent } from '../../core/event.ts';
import type { Inventory } from '../../core/inventory.ts';
import { naming } from '../../core/naming.ts';
import { defineQuery } from '../../core/operation.ts';
import type { System } from '../../core/system.ts';
import type { EventTables } from '../../store/event-tables.ts';
import type { Store } from '../../store/store.ts';
import { CHANGE_TYPES, changeOf } from './from-events.ts';

export interface ChangesDeps {
  readonly store: Pick<Store, 'db'>;
  readonly inventory: Pick<Inventory, 'find' | 'resolve'>;
  /** Of this machine. */
  readonly packages: PackageHistory;
  readonly node: { readonly id: string; readonly name: string };
}

/** One package of an upgrade is news, the four hundredth is none. */
const MOST_PACKAGES = 20;

/** The flight recorder: one timeline of all that changed, of which every incident begins with the last hour. */
export function createChanges({ store, inventory, packages, node }: ChangesDeps): System & ChangeLog {
  const db = store.db.withTables<EventTables>();

  async function fromEvents({ from, until, resources, limit }: ChangesWanted): Promise<ChangeEntry[]> {
    const rows = await db
      .selectFrom('events')
      .select(['id', 'at', 'type', 'subject_kind', 'subject_id', 'node', 'data', 'actor'])
      .where('at', '>=', from)
      .where('at', '<=', until)
      .where('type', 'in', CHANGE_TYPES)
      .orderBy('id', 'desc')
      .limit(limit * 2)
      .execute();
    const named = new Set(rows.flatMap(({ subject_id: subject, node: where }) => [subject ?? [], where ?? []].flat()));
    const known = await inventory.find({ ids: [...named], state: 'all' });
    const names = new Map([[node.id, node.name], ...known.map(({ id, name }) => [id, name] as const)]);
    const wanted = resources && new Set(resources);
    return rows
      .toReversed()
      .flatMap(({ id, at, type, subject_kind: kind, subject_id: subject, node: where, data, actor }) => {
        const event: StewardEvent = {
          id,
          at,
          type,
          data,
          ...(kind !== null && subject !== null && { subject: { kind, id: subject } }),
          ...(where !== null && { node: where }),
          ...(actor !== null && { actor }),
        };
        const entry = changeOf(event, (resourceId) => names.get(resourceId) ?? resourceId);
        return entry && (!wanted || entry.resourceId === undefined || wanted.has(entry.resourceId)) ? [entry] : [];
      });
  }

  async function fromPackages({ from, until }: ChangesWanted): Promise<ChangeEntry[]> {
    const all = await packages(from, until);
    const entries = all.slice(-MOST_PACKAGES).map(({ at, name, before, after }): ChangeEntry => {
      if (after === undefined) return { at, kind: 'package', title: `${name} ${before ?? ''} was removed` };
      return before === undefined
        ? { at, kind: 'package', title: `${name} ${after} was installed` }
        : { at, kind: 'package', title: `${name} went from ${before} to ${after}` };
    });
    const [first] = entries;
    const more = all.length - entries.length;
    return first && more > 0
      ? [{ at: first.at, kind: 'package', title: `${more} more packages changed on ${node.name}` }, ...entries]
      : entries;
  }

  async function between(wanted: ChangesWanted): Promise<ChangeEntry[]> {
    const both = await Promise.all([fromEvents(wanted), fromPackages(wanted)]);
    return both
      .flat()
      .toSorted((a, b) => a.at.getTime() - b.at.getTime())
      .slice(-wanted.limit);
  }

  return {
    name: 'changes',
    between,
    operations: [
      defineQuery({
        name: 'changes',
        title: 'What changed',
        summary:
          'Shows one timeline of runs, services, versions, packages, configuration and what people did, the newest first.',
        permission: 'read',
        input: z.object({
          since: Duration.default('24h').describe('So far back from now, or from until.'),
          until: z.coerce.date().optional().describe('Up to this instant; up to now where it is left out.'),
          service: naming('service', z.string().min(1).max(300))
            .optional()
            .describe('Only of this service, and what is about no single one.'),
          limit: z.coerce.number().int().min(1).max(500).default(100).describe('At most this many, the newest.'),
        }),
        output: z.object({ items: z.array(ChangeEntry) }),
        columns: ['at', 'kind', 'title', 'by'],
        examples: [{ title: 'Of the last hour', input: { since: '1h' } }],
        cliArguments: ['service'],
        async handle({ since, until, service, limit }, { now }) {
          const resource = service === undefined ? undefined : await inventory.resolve(service);
          if (service !== undefined && !resource)
            throw new StewardError('NOT_FOUND', `No service is called '${service}'.`, {
              hint: 'steward services lists what is known.',
            });
          const end = until ?? now;
          const entries = await between({
            from: new Date(end.getTime() - ms(since)),
            until: end,
            resources: resource && [resource.id],
            limit,
          });
          return { items: entries.toReversed() };
        },
      }),
    ],
    jobs: [],
    async start() {},
    async stop() {},
  };
}
