import { type Kysely, sql } from 'kysely';
import { AlertRouting, type QuietHours, type Recipient } from '../../core/alert-routing.ts';
import type { AlertTables } from './tables.ts';
import type { AlertingSettings, Route } from './settings.ts';

/** How long the channels of a silent node count: longer than a restart, shorter than anybody wants to wait for an alert that no node can send. */
export const KNOWN_FOR_MS = 24 * 3_600_000;
const TELL_AGAIN_MS = 3_600_000;

export interface Recipients {
  /** Tells the other nodes which channels and routes this one has; cheap where nothing changed. */
  publish(): Promise<void>;
  /** The channels of all nodes together. One name is one channel, whoever has it. */
  all(): Promise<readonly Recipient[]>;
  /** Who of them is told of what: by the routes of this node, or by those of another where this one has none. */
  routing(): Promise<AlertRouting>;
}

/**
 * One node writes down an alert, and only those that have a channel can bring it there: whoever decides where it goes must
 * know the channels of all, or an alert that a node without any wrote down would reach nobody. The same holds for routes.
 */
export function createRecipients({
  db,
  routes,
  settings,
  node,
  now,
}: {
  readonly db: Kysely<AlertTables>;
  readonly routes: () => readonly Route[];
  readonly settings: () => Pick<AlertingSettings, 'routing'>;
  readonly node: string;
  readonly now: () => Date;
}): Recipients {
  let told = '';
  let toldAt = -Infinity;

  const own = (): Recipient[] =>
    routes().map(({ channel: { name, kind }, minSeverity, quiet }) => ({
      name,
      kind,
      minSeverity,
      ...(quiet && { quiet }),
    }));
  const ownRouting = (): AlertRouting | undefined => {
    const { routing } = settings();
    if (!routing) return undefined;
    const { routes: rules, default: everybody, escalate } = routing;
    return rules.length > 0 || everybody !== undefined || escalate !== undefined ? routing : undefined;
  };
  const sinceKnown = (): Date => new Date(now().getTime() - KNOWN_FOR_MS);

  return {
    async publish() {
      const rows = own();
      const routing = ownRouting();
      const text = JSON.stringify([rows, routing]);
      const at = now();
      if (text === told && at.getTime() - toldAt < TELL_AGAIN_MS) return;
      await db.transaction().execute(async (trx) => {
        await trx.deleteFrom('alert_routes').where('node', '=', node).execute();
        await trx.deleteFrom('alert_routings').where('node', '=', node).execute();
        if (routing)
          await trx
            .insertInto('alert_routings')
            .values({ node, routing: JSON.stringify(routing), seen_at: at })
            .execute();
        if (rows.length > 0)
          await trx
            .insertInto('alert_routes')
            .values(
              rows.map(({ name, kind, minSeverity, quiet }) => ({
                node,
                channel: name,
                kind,
                min_severity: minSeverity,
                quiet: quiet === undefined ? null : JSON.stringify(quiet),
                seen_at: at,
              })),
            )
            .execute();
      });
      told = text;
      toldAt = at.getTime();
    },
    async all() {
      const mine = own();
      const { rows } = await sql<{
        channel: string;
        kind: string;
        min_severity: Recipient['minSeverity'];
        quiet: QuietHours | null;
      }>`
        select distinct on (channel) channel, kind, min_severity, quiet from alert_routes
        where node <> ${node} and seen_at > ${sinceKnown()} order by channel, node`.execute(db);
      const theirs = rows
        .filter(({ channel }) => !mine.some(({ name }) => name === channel))
        .map(({ channel, kind, min_severity: minSeverity, quiet }) => ({
          name: channel,
          kind,
          minSeverity,
          ...(quiet && { quiet }),
        }));
      return [...mine, ...theirs];
    },
    async routing() {
      const mine = ownRouting();
      if (mine) return mine;
      const row = await db
        .selectFrom('alert_routings')
        .select('routing')
        .where('node', '<>', node)
        .where('seen_at', '>', sinceKnown())
        .orderBy('node')
        .limit(1)
        .executeTakeFirst();
      // A node of another version may know members that this one does not: then everybody is told.
      return AlertRouting.safeParse(row?.routing ?? {}).data ?? { routes: [] };
    },
  };
}
