import { StewardError } from '../../core/errors.ts';
import type { AuditLog } from '../../core/audit.ts';
import type { Log } from '../../core/log.ts';
import type { System } from '../../core/system.ts';
import type { Store } from '../../store/store.ts';
import { entryText } from './chain.ts';
import { writeCheckpoint } from './checkpoints.ts';
import { auditOperations } from './operations.ts';
import type { AuditTables } from './tables.ts';
import { type AuditReport, verifyAudit } from './verify.ts';
import { createChainWriter } from './writer.ts';

export interface AuditDeps {
  readonly store: Pick<Store, 'db'>;
  /** 32 random bytes that the database never sees. */
  readonly key: Buffer;
  /** Outside the database; best outside the machine. */
  readonly checkpointFile: string;
  readonly node: string;
  readonly now: () => Date;
  readonly log: Log;
}

export interface Audit extends System, AuditLog {
  verify(): Promise<AuditReport>;
}

const CHECKPOINT_EVERY = 100;

/** Who did what, in a chain that nobody can alter without being found out. */
export function createAudit({ store, key, checkpointFile, node, now, log }: AuditDeps): Audit {
  if (key.length < 32) throw new StewardError('INTERNAL', `The audit key has ${key.length} bytes instead of 32.`);
  const db = store.db.withTables<AuditTables>();
  const writer = createChainWriter({ db, key, node, now, log });
  let marked = 0;
  let marking: Promise<void> | undefined;

  const mark = async (): Promise<void> => {
    const head = writer.head();
    if (!head || head.seq === marked) return;
    try {
      await writeCheckpoint(checkpointFile, key, writer.chain, head, now());
      marked = head.seq;
    } catch (thrown) {
      log.error('audit checkpoint not written', { file: checkpointFile, reason: StewardError.from(thrown).message });
    }
  };
  /** One at a time, so that the file's lines stay in order. */
  const checkpoint = async (): Promise<void> => {
    await marking;
    marking = mark();
    await marking;
  };

  const audit: Audit = {
    name: 'audit',
    operations: [],
    jobs: [
      {
        name: 'audit-checkpoint',
        summary: 'Writes down outside the database how far the audit log reaches.',
        schedule: { every: '1m' },
        run: checkpoint,
      },
    ],
    async append(entry) {
      await writer.append(entryText(entry));
      if ((writer.head()?.seq ?? 0) - marked >= CHECKPOINT_EVERY && !marking) {
        marking = mark().finally(() => (marking = undefined));
      }
    },
    async verify() {
      await writer.drained();
      return await verifyAudit({ db, key, checkpointFile });
    },
    async start() {},
    async stop() {
      await writer.drained();
      await checkpoint();
    },
  };
  return { ...audit, operations: auditOperations({ db, audit, verify: () => audit.verify() }) };
}
