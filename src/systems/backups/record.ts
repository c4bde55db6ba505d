import { sql } from 'kysely';
import type { LayerResult } from '../../core/backup/copy.ts';
import { StewardError } from '../../core/errors.ts';
import type { EventType } from '../../core/event.ts';
import type { JsonObject } from '../../core/json.ts';
import { storableText } from '../../core/storable-text.ts';
import type { CopyPlace, MadeCopy } from '../../core/ports/backups.ts';
import type { CopiesPort, CopyRecord } from '../../core/ports/copies.ts';
import type { BackupsDeps } from './deps.ts';
import type { BackupTables, HistoryRow } from './tables.ts';

/** The record of copies, each step of one with its event in one transaction. */
export function createRecord({
  store,
  settings,
  node,
  now,
}: Pick<BackupsDeps, 'store' | 'settings' | 'node' | 'now'>): CopiesPort {
  const db = store.db.withTables<BackupTables>();

  /** Changes the row and tells of it, unless the row is no longer as `from` says: then somebody else was there. */
  async function step(
    id: string,
    from: readonly CopyRecord['status'][],
    values: Partial<Omit<HistoryRow, 'sequence' | 'contents' | 'left_out' | 'unsure'>> & {
      readonly contents?: string;
      readonly unsure?: string | null;
      readonly left_out?: string;
    },
    tell: { readonly type: EventType; readonly data?: JsonObject } | undefined,
    looks: readonly LayerResult[] = [],
  ): Promise<void> {
    await db.transaction().execute(async (trx) => {
      const row = await trx
        .updateTable('backup_history')
        .set(values)
        .where('id', '=', id)
        .where('status', 'in', [...from])
        .returningAll()
        .executeTakeFirst();
      if (!row) return;
      for (const { layer, ok, statement, durationMs, evidence } of looks)
        await trx
          .insertInto('backup_looks')
          .values({
            copy_id: id,
            at: now(),
            layer,
            ok,
            statement,
            duration_ms: durationMs,
            evidence: evidence === undefined ? null : JSON.stringify(evidence, storableStrings),
          })
          .execute();
      if (tell)
        await store.events.append(trx, {
          type: tell.type,
          node: node.id,
          subject: { kind: 'backup', id },
          causation: { runId: row.run_id },
          data: { source: row.source, repository: row.repository, ...tell.data },
        });
    });
  }

  return {
    rules: () => settings().rules,

    async find({ source, repository, status, id }) {
      let query = db.selectFrom('backup_history').selectAll().where('node', '=', node.id);
      if (source !== undefined) query = query.where('source', '=', source);
      if (repository !== undefined) query = query.where('repository', '=', repository);
      if (status !== undefined) query = query.where('status', '=', status);
      if (id !== undefined) query = query.where('id', '=', id);
      return (await query.orderBy('sequence', 'desc').execute()).map(recordOf);
    },

    async begin({ id, source, kind, repository, runId }) {
      const again = { status: 'writing' as const, error: null, ended_at: null };
      const row = await db
        .insertInto('backup_history')
        .values({
          id,
          node: node.id,
          source,
          kind,
          repository,
          run_id: runId,
          status: 'writing',
          started_at: now(),
          location: null,
          snapshot_at: null,
          ended_at: null,
          bytes: null,
          stored_bytes: null,
          contents: null,
          left_out: null,
          error: null,
          checked_at: null,
          proven_at: null,
          unsure: null,
          restore_ms: null,
          fault: null,
          tried_at: null,
          obstacle: null,
          removed_at: null,
          removed_why: null,
        })
        // Of a copy that is whole or gone nothing is begun anew.
        .onConflict((conflict) =>
          conflict.column('id').doUpdateSet(again).where('backup_history.status', 'in', ['writing', 'failed']),
        )
        .returningAll()
        // A row that was there already carries the transaction that changed it.
        .returning(sql<boolean>`xmax = 0`.as('first'))
        .executeTakeFirst();
      const known = row ?? (await db.selectFrom('backup_history').selectAll().where('id', '=', id).executeTakeFirst());
      if (known) return { ...recordOf(known), first: row?.first === true };
      throw new StewardError('NOT_FOUND', `The record of copy ${id} is gone.`);
    },

    async complete(id, { location, storedBytes, manifest }: MadeCopy) {
      const bytes = manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
      await step(
        id,
        ['writing', 'failed'],
        {
          status: 'complete',
          location,
          snapshot_at: new Date(manifest.snapshotAt),
          ended_at: now(),
          bytes,
          stored_bytes: storedBytes,
          contents: JSON.stringify(manifest.contents),
          left_out: JSON.stringify(manifest.leftOut),
          error: null,
        },
        { type: 'backup.completed', data: { bytes, storedBytes, snapshotAt: manifest.snapshotAt } },
      );
    },

    async fail(id, said) {
      const error = storableText(said);
      await step(
        id,
        ['writing'],
        { status: 'failed', ended_at: now(), error },
        { type: 'backup.failed', data: { error } },
      );
    },

    trying: (id) => step(id, ['complete'], { tried_at: now() }, undefined),

    async looked(id, found, why) {
      const at = now();
      // Programs quote what they found in what is damaged.
      const results = found.map((each) => ({ ...each, statement: storableText(each.statement) }));
      const obstacle = why === undefined ? undefined : storableText(why);
      const wrong = results.find(({ ok }) => !ok);
      const restored = results.find(({ layer }) => layer === 'restore');
      const read = results.some(({ layer }) => layer === 'bytes');
      const unsure = results.find((each) => each.unsure)?.unsure;
      const proven = !wrong && restored !== undefined && obstacle === undefined;
      const tried = wrong !== undefined || restored !== undefined || obstacle !== undefined;
      await step(
        id,
        ['complete'],
        {
          ...(read && { checked_at: at }),
          // A copy that is not sound is not proven, whatever it once was.
          ...(wrong && { proven_at: null, unsure: null, fault: `${wrong.layer}: ${wrong.statement}` }),
          ...(proven && {
            proven_at: at,
            fault: null,
            restore_ms: restored.durationMs,
            unsure: unsure ? JSON.stringify(unsure, storableStrings) : null,
          }),
          ...(tried && { tried_at: at, obstacle: obstacle ?? null }),
        },
        wrong
          ? { type: 'backup.unsound', data: { layer: wrong.layer, statement: wrong.statement } }
          : proven
            ? { type: 'backup.proven', data: { restoreMs: Math.round(restored.durationMs) } }
            : undefined,
        results,
      );
    },

    async removed(id, why) {
      await step(
        id,
        ['complete', 'failed'],
        { status: 'removed', removed_at: now(), removed_why: why },
        { type: 'backup.removed', data: { why } },
      );
    },
  };
}

/** Which copy of this node was made there, and what was in it, by what was written down then. */
export function recordedAt({ store, node }: Pick<BackupsDeps, 'store' | 'node'>) {
  return async ({ source, repository, location }: CopyPlace): Promise<CopyRecord | undefined> => {
    const row = await store.db
      .withTables<BackupTables>()
      .selectFrom('backup_history')
      .selectAll()
      .where('node', '=', node.id)
      .where('source', '=', source)
      .where('repository', '=', repository)
      .where('location', '=', location)
      .where('status', '=', 'complete')
      .orderBy('sequence', 'desc')
      .executeTakeFirst();
    return row && recordOf(row);
  };
}

export function recordOf(row: HistoryRow): CopyRecord {
  return {
    id: row.id,
    sequence: row.sequence,
    source: row.source,
    kind: row.kind,
    repository: row.repository,
    node: row.node,
    runId: row.run_id,
    status: row.status,
    location: row.location,
    startedAt: row.started_at,
    snapshotAt: row.snapshot_at,
    endedAt: row.ended_at,
    bytes: row.bytes,
    storedBytes: row.stored_bytes,
    contents: row.contents,
    error: row.error,
    provenAt: row.proven_at,
    unsure: row.unsure,
    checkedAt: row.checked_at,
    restoreMs: row.restore_ms,
    fault: row.fault,
    triedAt: row.tried_at,
    obstacle: row.obstacle,
  };
}

const storableStrings = (_name: string, value: unknown): unknown =>
  typeof value === 'string' ? storableText(value) : value;
