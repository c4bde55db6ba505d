import { sql } from 'kysely';
import { type BackupSource, DATABASE_KINDS } from '../../core/backup/source.ts';
import type { DatabaseLook } from '../../core/database/look.ts';
import { StewardError } from '../../core/errors.ts';
import type { DatabasesDeps } from './deps.ts';
import { indexKey } from './index-key.ts';
import { judge } from './judge.ts';
import { historyOf, latestOf } from './remembered.ts';
import type { DatabaseTables } from './tables.ts';

/** A look that takes longer is given up: it must not be what a database suffers from. */
const LOOK_MS = 60_000;
const TREND_MS = 16 * 86_400_000;
const OVER = 'It is as it should be again.';

/** The sources that are databases of a kind that can be looked at. */
export function databaseSources({ sources, fitness }: Pick<DatabasesDeps, 'sources' | 'fitness'>): BackupSource[] {
  const kinds = fitness.kinds();
  return sources().filter(({ kind }) => DATABASE_KINDS.has(kind) && kinds.includes(kind));
}

/** Looks at each database whose last look is old enough, one after the other. */
export async function lookAround(
  deps: DatabasesDeps,
  { signal, only }: { readonly signal: AbortSignal; readonly only?: readonly string[] },
): Promise<void> {
  const { store, node, settings, now, log } = deps;
  const db = store.db.withTables<DatabaseTables>();
  const all = databaseSources(deps);
  for (const source of all) {
    if (signal.aborted) return;
    if (only && !only.includes(source.name)) continue;
    const latest = await latestOf(db, node.id, source.name);
    const age = latest ? now().getTime() - latest.at.getTime() : Infinity;
    // A clock that was set back makes a look no younger.
    if (!only && age >= 0 && age < settings().everyMs) continue;
    try {
      await lookAtOne(deps, source, { before: latest?.look ?? undefined, signal });
    } catch (thrown) {
      if (signal.aborted) return;
      deps.measured.forget(source.name);
      const problem = StewardError.from(thrown).message;
      log.debug('a database was not looked at', { source: source.name, reason: problem });
      const values = { at: now(), problem };
      await db
        .insertInto('database_latest')
        .values({ node: node.id, source: source.name, look: null, ...values })
        // What was seen last stays, with what keeps it from being seen now.
        .onConflict((conflict) => conflict.columns(['node', 'source']).doUpdateSet(values))
        .execute();
    }
  }
  const names = all.map(({ name }) => name);
  deps.measured.keepOnly(names);
  const gone = db.deleteFrom('database_latest').where('node', '=', node.id);
  await (names.length > 0 ? gone.where('source', 'not in', names) : gone).execute();
  for (const { id, source } of await openHere(deps))
    if (!names.includes(source)) await deps.incidents.resolve(id, 'It is no source of backups any more.');
}

/** What is open of databases of this node. */
async function openHere({ incidents, node }: Pick<DatabasesDeps, 'incidents' | 'node'>) {
  return (await incidents.unresolved()).flatMap(({ id, fingerprint }) => {
    const [what = '', where, source = ''] = fingerprint.split(':');
    return /^database\.[a-z-]+$/.test(what) && where === node.id ? [{ id, fingerprint, what, source }] : [];
  });
}

async function lookAtOne(
  deps: DatabasesDeps,
  source: BackupSource,
  { before, signal }: { readonly before: DatabaseLook | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const { store, fitness, incidents, measured, node, settings, now } = deps;
  const { name, critical } = source;
  const doing = { signal: AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]) };
  const look = await fitness.look(name, { slowMs: settings().slowMs }, doing);
  measured.note(look, await deps.serverOf(source));
  await remember(deps, look);
  const db = store.db.withTables<DatabaseTables>();
  const history = await historyOf(db, { node: node.id, source: name, since: new Date(now().getTime() - TREND_MS) });
  const judged = judge(look, { before, history, critical, settings: settings(), node: node.id, now: now() });
  for (const { wrong, ...incident } of judged) {
    if (wrong) {
      await incidents.open(incident);
      continue;
    }
    if (wrong === undefined) continue;
    const open = await incidents.byFingerprint(incident.fingerprint);
    if (open && open.status !== 'resolved') await incidents.resolve(open.id, OVER);
  }
  const told = new Set(judged.map(({ fingerprint }) => fingerprint));
  for (const { id, what, source: of, fingerprint } of await openHere(deps))
    if (what === 'database.warning' && of === name && !told.has(fingerprint)) await incidents.resolve(id, OVER);
}

async function remember(
  { store, node, now }: Pick<DatabasesDeps, 'store' | 'node' | 'now'>,
  look: DatabaseLook,
): Promise<void> {
  const at = now();
  const { source, connections, replicas = [] } = look;
  const worst = (values: readonly (number | null)[]): number | null =>
    values.reduce<number | null>((most, value) => (value === null ? most : Math.max(most ?? 0, value)), null);
  await store.db
    .withTables<DatabaseTables>()
    .transaction()
    .execute(async (trx) => {
      // The sum of some databases would be a fall, and the next a jump.
      if (!look.partial)
        await trx
          .insertInto('database_looks')
          .values({
            node: node.id,
            source,
            at,
            bytes: look.databases.reduce((sum, { bytes }) => sum + bytes, 0),
            connections_used: connections?.used ?? null,
            connections_limit: connections?.limit ?? null,
            longest_seconds: look.longestTransactionSeconds ?? null,
            wraparound: look.wraparound ?? null,
            lag_seconds: worst(replicas.map(({ lagSeconds }) => lagSeconds)),
            lag_bytes: worst(replicas.map(({ lagBytes }) => lagBytes)),
          })
          .execute();
      const values = { at, look: JSON.stringify(look), problem: null };
      await trx
        .insertInto('database_latest')
        .values({ node: node.id, source, ...values })
        .onConflict((conflict) => conflict.columns(['node', 'source']).doUpdateSet(values))
        .execute();
      const used = look.indexes.flatMap((index) =>
        index.scans === undefined
          ? []
          : [{ database: index.database, name: indexKey(look, index), scans: index.scans }],
      );
      // Since when an index stands still is what nobody but us knows: counters of a server are reset.
      await sql`insert into database_index_use (node, source, database, name, scans, since, seen_at)
        select ${node.id}, ${source}, database, name, scans, ${at}, ${at}
          from jsonb_to_recordset(${JSON.stringify(used)}::jsonb) as seen(database text, name text, scans double precision)
        on conflict (node, source, database, name) do update set seen_at = excluded.seen_at, scans = excluded.scans,
          since = case when database_index_use.scans = excluded.scans then database_index_use.since else excluded.since end`.execute(
        trx,
      );
    });
}
