import type { BackupSource } from '../../core/backup/source.ts';
import { newestOf } from '../../core/backup/pick.ts';
import type { ProposedSource } from '../../core/backup/propose.ts';
import type { CopiesPort } from '../../core/ports/copies.ts';
import { isFinal } from '../../core/run.ts';
import type { System } from '../../core/system.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import type { BackupsDeps } from './deps.ts';
import { backupOperations } from './operations.ts';
import { createLockLooks } from './locks.ts';
import { createRecord } from './record.ts';
import { keepVerificationReport } from './report.ts';
import { backupRetention } from './retention.ts';
import type { BackupTables } from './tables.ts';
import { isMissedUncovered, uncoveredKey, watchBackups } from './watch.ts';

export { recordedAt } from './record.ts';
export { backupMigrations } from './tables.ts';

export interface Backups extends System {
  /** The record of copies, for the automations that make and prove them. */
  readonly copies: CopiesPort;
  /** What there is to go back to, in words, for whoever is about to say yes to something that destroys. */
  recoveryPoint(source: BackupSource): Promise<string | undefined>;
}

/** Knows of every copy when it was made, whether it was proven and when it is missed. It makes none: automations do. */
export function createBackupRecord(deps: BackupsDeps): Backups {
  const { store, runs, node, now } = deps;
  const db = store.db.withTables<BackupTables>();
  const record = createRecord(deps);
  const locks = createLockLooks(deps);
  let consumer: EventConsumer | undefined;

  const configured = (): string[] => deps.backups.sources().map(({ name }) => name);

  async function remember(names: readonly string[]): Promise<void> {
    for (const source of names)
      await db
        .insertInto('backup_sources')
        .values({ node: node.id, source, first_seen: now() })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
  }

  /** Since when each configured source is known, and each thing is seen that nobody copies. */
  async function knownSince(uncovered: readonly ProposedSource[]): Promise<ReadonlyMap<string, Date>> {
    const names = [...configured(), ...uncovered.map(uncoveredKey)];
    await remember(names);
    const gone = db.deleteFrom('backup_sources').where('node', '=', node.id);
    await (names.length > 0 ? gone.where('source', 'not in', names) : gone).execute();
    const rows = await db.selectFrom('backup_sources').selectAll().where('node', '=', node.id).execute();
    return new Map(rows.map(({ source, first_seen }) => [source, first_seen]));
  }

  /** A copy whose run is over is not being written any more, whatever ended the run. */
  async function closeAbandoned(): Promise<void> {
    for (const { id, runId } of await record.find({ status: 'writing' })) {
      const run = await runs.get(runId);
      if (!run || isFinal(run.status)) await record.fail(id, 'its run ended before it was whole');
    }
  }

  return {
    name: 'backups',
    copies: record,
    async recoveryPoint(source) {
      const own = await record.find({ source: source.name, status: 'complete' });
      const found = newestOf(own, deps.backups.repositories());
      if (!found) return undefined;
      const of = found.snapshotAt?.toISOString() ?? 'an unknown instant';
      return `the copy of ${source.name} of ${of} in ${found.repository}, ${found.provenAt ? 'proven' : 'not proven'} (${found.id})`;
    },
    operations: backupOperations(deps, record, locks),
    jobs: [
      {
        name: 'backup-watch',
        summary: 'Looks whether every source has a young, sound copy, and whether repositories have room.',
        schedule: { every: '5m', jitter: '30s', overlap: 'skip', catchUp: 'skip' },
        async run({ signal }) {
          await closeAbandoned();
          const uncovered = (await deps.proposals()).filter(isMissedUncovered);
          const since = await knownSince(uncovered);
          await watchBackups({ ...deps, locks }, { copies: await record.find({}), since, uncovered }, signal);
        },
      },
      backupRetention(deps),
    ],
    async start() {
      await remember(configured());
      consumer = store.events.consume({
        consumer: `backups:${node.name}`,
        types: ['run.finished'],
        async handle(event) {
          await keepVerificationReport(event, deps);
        },
      });
    },
    async stop() {
      await consumer?.stop();
    },
  };
}
