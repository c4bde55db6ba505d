import { z } from 'zod';
import { LayerResult, LeftOut } from '../../core/backup/copy.ts';
import { StewardError } from '../../core/errors.ts';
import { type AnyOperation, defineQuery, NoInput, PageInput, pageOf } from '../../core/operation.ts';
import type { CopiesPort, CopyRecord } from '../../core/ports/copies.ts';
import { autoBackup } from './auto-backup.ts';
import { backupKit } from './kit.ts';
import type { BackupsDeps } from './deps.ts';
import type { LockLooks } from './locks.ts';
import { heldBy, placesOf, standingOf, successRateOf } from './standing.ts';
import { recordOf } from './record.ts';
import type { BackupTables } from './tables.ts';
import { CopyView, ProposalView, StandingView, viewOf } from './views.ts';

const copyId = z.object({ id: z.string().min(1).describe('Id of a copy, as `steward backup history` shows it.') });

export function backupOperations(
  deps: BackupsDeps,
  record: Pick<CopiesPort, 'find'>,
  locks: LockLooks,
): AnyOperation[] {
  const { backups, proposals, store, node, now } = deps;
  const db = store.db.withTables<BackupTables>();

  async function existing(id: string): Promise<CopyRecord> {
    const [copy] = await record.find({ id });
    if (copy) return copy;
    throw new StewardError('NOT_FOUND', `There is no copy '${id.slice(0, 100)}' on this machine.`, {
      hint: 'steward backup history shows those there are.',
    });
  }

  return [
    autoBackup(deps),
    backupKit(deps, record, locks),
    defineQuery({
      name: 'backups',
      title: 'Backups',
      summary:
        'How safe each database and file set is: its last proven copy, what a restore takes (RTO), what would be lost (RPO).',
      permission: 'read',
      input: NoInput,
      output: z.object({
        successRate: z.number().optional().describe('Percent of all attempts of the last 30 days that made a copy.'),
        items: z.array(StandingView),
      }),
      cli: ['backups'],
      columns: [
        'source',
        'kind',
        'repository',
        'state',
        'lastProvenAt',
        'rpoSeconds',
        'rtoSeconds',
        'successRate',
        'message',
      ],
      async handle() {
        const copies = await record.find({});
        const repositories = backups.repositories();
        const { schedule } = deps.settings();
        const known = await locks.known();
        const items = backups.sources().flatMap((source) =>
          placesOf(source, repositories).map((repository) => {
            const lock = known.get(repository);
            const standing = heldBy(lock, standingOf(source, repository, copies, { now: now(), schedule }));
            const { state, message, newest, lastProven, rpoMs, rtoMs, dueMs, kind } = standing;
            const own = copies.filter((copy) => copy.source === source.name && copy.repository === repository);
            return {
              source: source.name,
              kind,
              repository,
              state,
              proven: state === 'proven',
              message,
              ...(lock && { objectLock: lock }),
              ...(newest?.snapshotAt && { lastCopyAt: newest.snapshotAt }),
              ...(lastProven?.snapshotAt && { lastProvenAt: lastProven.snapshotAt }),
              ...(rpoMs !== undefined && { rpoSeconds: Math.ceil(rpoMs / 1_000) }),
              ...(rtoMs !== undefined && { rtoSeconds: Math.ceil(rtoMs / 1_000) }),
              everySeconds: Math.round(dueMs / 1_000),
              ...successRateOf(own, now()),
              copies: own.filter(({ status }) => status === 'complete').length,
              ...(typeof newest?.bytes === 'number' && { bytes: newest.bytes }),
            };
          }),
        );
        return {
          ...successRateOf(copies, now()),
          items,
        };
      },
    }),

    defineQuery({
      name: 'backup-proposals',
      title: 'What could be backed up',
      summary:
        'Databases, volumes and files that were found on this machine, each with the source that copies it, or none.',
      permission: 'read',
      input: z.object({
        all: z.boolean().default(false).describe('Also what a source covers already.'),
      }),
      output: z.object({ items: z.array(ProposalView) }),
      cli: ['backup', 'proposals'],
      columns: ['name', 'kind', 'coveredBy', 'why', 'missing'],
      async handle({ all }) {
        const found = (await proposals()).filter(({ coveredBy }) => all || coveredBy === undefined);
        return {
          items: found.map(({ name, kind, coveredBy, why, missing, yaml }) => ({
            name,
            kind,
            why,
            yaml,
            ...(coveredBy !== undefined && { coveredBy }),
            ...(missing !== undefined && { missing }),
          })),
        };
      },
    }),

    defineQuery({
      name: 'backup-history',
      title: 'Backup history',
      summary: 'Every copy that was made or failed, the newest first.',
      permission: 'read',
      input: PageInput.extend({
        source: z.string().optional().describe('Only of this source.'),
        repository: z.string().optional().describe('Only in this repository.'),
        status: z.enum(['writing', 'complete', 'failed', 'removed']).optional(),
      }),
      output: pageOf(CopyView),
      cli: ['backup', 'history'],
      columns: ['id', 'source', 'repository', 'status', 'snapshotAt', 'bytes', 'provenAt', 'keptUntil', 'fault'],
      async handle({ limit, cursor, source, repository, status }) {
        let query = db.selectFrom('backup_history').selectAll().where('node', '=', node.id);
        if (source !== undefined) query = query.where('source', '=', source);
        if (repository !== undefined) query = query.where('repository', '=', repository);
        if (status !== undefined) query = query.where('status', '=', status);
        if (cursor !== undefined && /^\d{1,15}$/.test(cursor)) query = query.where('sequence', '<', Number(cursor));
        const rows = await query
          .orderBy('sequence', 'desc')
          .limit(limit + 1)
          .execute();
        const page = rows.slice(0, limit).map(recordOf);
        const last = page.at(-1);
        return {
          items: page.map((copy) => viewOf(copy, deps.settings().rules.retention)),
          ...(rows.length > limit && last && { next: String(last.sequence) }),
        };
      },
    }),

    defineQuery({
      name: 'backup-get',
      title: 'One copy',
      summary: 'Shows a copy with what is left out of it, and what each look at it found.',
      permission: 'read',
      input: copyId,
      output: CopyView.extend({
        leftOut: z.array(LeftOut).describe('What of the source is not in it, and why.'),
        looks: z.array(LayerResult.extend({ at: z.coerce.date() })),
      }),
      cli: ['backup', 'show'],
      cliArguments: ['id'],
      async handle({ id }) {
        const copy = await existing(id);
        const kept = await db.selectFrom('backup_history').select('left_out').where('id', '=', id).executeTakeFirst();
        const looks = await db
          .selectFrom('backup_looks')
          .selectAll()
          .where('copy_id', '=', id)
          .orderBy('id', 'desc')
          .limit(50)
          .execute();
        return {
          ...viewOf(copy, deps.settings().rules.retention),
          leftOut: kept?.left_out ?? [],
          looks: looks.map(({ at, layer, ok, statement, duration_ms, evidence }) => ({
            at,
            layer,
            ok,
            statement,
            durationMs: duration_ms,
            ...(evidence !== null && { evidence: evidence as never }),
          })),
        };
      },
    }),

    defineQuery({
      name: 'backup-browse',
      title: 'Browse a copy',
      summary: 'Lists the files of a copy, or its parts where it is of a database.',
      permission: 'read',
      input: copyId.extend({
        below: z.string().max(4_096).optional().describe('Only what is below this path.'),
        limit: z.coerce.number().int().min(1).max(10_000).default(1_000).describe('At most this many.'),
      }),
      output: z.object({
        items: z.array(
          z.object({
            path: z.string(),
            kind: z.enum(['file', 'directory', 'link', 'other']),
            bytes: z.number().int(),
          }),
        ),
        truncated: z.boolean(),
      }),
      cli: ['backup', 'browse'],
      cliArguments: ['id'],
      columns: ['path', 'kind', 'bytes'],
      async handle({ id, below, limit }) {
        const { source, repository, location, status } = await existing(id);
        if (location === null || status !== 'complete')
          throw new StewardError('PRECONDITION_FAILED', `Copy ${id} is ${status}: there is nothing to look into.`);
        const doing = { signal: AbortSignal.timeout(BROWSE_MS) };
        const prefix = below === undefined ? undefined : `${below.replace(/\/+$/, '')}/`;
        const items: { path: string; kind: 'file' | 'directory' | 'link' | 'other'; bytes: number }[] = [];
        for await (const entry of backups.entries({ source, repository, location }, doing)) {
          if (prefix !== undefined && entry.path !== below && !entry.path.startsWith(prefix)) continue;
          if (items.length === limit) return { items, truncated: true };
          items.push(entry);
        }
        return { items, truncated: false };
      },
    }),
  ];
}

const BROWSE_MS = 60_000;
