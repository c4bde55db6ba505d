import type { AuditEntry, AuditFeed, AuditLog } from '../../core/audit.ts';
import { StewardError } from '../../core/errors.ts';
import type { StewardEvent } from '../../core/event.ts';
import type { Log } from '../../core/log.ts';
import type { SystemJob } from '../../core/schedule.ts';
import type { SyslogPeer } from '../../core/syslog.ts';
import type { System } from '../../core/system.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import type { Store } from '../../store/store.ts';
import { entryText, type Head } from './chain.ts';
import { appendCheckpoint, checkpointOf, thin } from './checkpoints.ts';
import { type Delivery, deliveriesOf } from './deliveries.ts';
import { createFeed } from './feed.ts';
import { forwardTo } from './forward.ts';
import { entryOf, RECORDED_EVENTS } from './from-events.ts';
import { auditOperations } from './operations.ts';
import { createPlaces, type Place } from './places.ts';
import type { AuditTables } from './tables.ts';
import { type AuditReport, verifyAudit } from './verify.ts';
import { createChainWriter } from './writer.ts';

export interface AuditDeps {
  readonly store: Pick<Store, 'db' | 'events'>;
  /** 32 random bytes that the database never sees. */
  readonly key: Buffer;
  /** Outside the database. */
  readonly checkpointFile: string;
  /** Outside this machine, where the operator has such places. */
  readonly places?: readonly Place[];
  readonly forward?: readonly SyslogPeer[];
  readonly node: string;
  /** How the node with this id is called. */
  readonly nodeName?: (id: string) => Promise<string>;
  readonly now: () => Date;
  readonly log: Log;
  /** Told once a day where the record is not what was written. */
  readonly onBroken?: (report: AuditReport) => Promise<void>;
  /** After a failure to deliver; doubles from there. */
  readonly backoffMs?: number;
}

export interface Audit extends System, AuditLog, AuditFeed {
  verify(): Promise<AuditReport>;
  /** Where the record goes besides the store, and how far behind that is. */
  deliveries(): Promise<Delivery[]>;
}

const CHECKPOINT_EVERY = 100;

/** Who did what, in a chain that nobody can alter without being found out. */
export function createAudit(deps: AuditDeps): Audit {
  const { store, key, checkpointFile, places: configured = [], forward = [], node, now, log, backoffMs } = deps;
  const { nodeName = async (id: string) => id } = deps;
  if (key.length < 32) throw new StewardError('INTERNAL', `The audit key has ${key.length} bytes instead of 32.`);
  const db = store.db.withTables<AuditTables>();
  const writer = createChainWriter({ db, key, node, now, log, onWritten: () => feed.wake() });
  const { chain } = writer;
  const feed = createFeed({ db, chain, now, log, backoffMs });
  /** What this process knows of its own is believed before what the database says. */
  const head = async (): Promise<Head | undefined> =>
    writer.head() ??
    (await db.selectFrom('audit_heads').select(['seq', 'hash']).where('chain', '=', chain).executeTakeFirst());
  const places = createPlaces({ places: configured, key, chain, head, now, log });
  let marked = 0;
  let marking: Promise<void> = Promise.resolve();
  let queued = false;
  let consumer: EventConsumer | undefined;

  const mark = async (): Promise<void> => {
    const reached = writer.head();
    if (!reached || reached.seq === marked) return;
    try {
      await appendCheckpoint(checkpointFile, checkpointOf(key, chain, reached, now()));
      marked = reached.seq;
    } catch (thrown) {
      log.error('audit checkpoint not written', { file: checkpointFile, reason: StewardError.from(thrown).message });
    }
  };
  /** One at a time, so that the file's lines stay in order. */
  const marks = (work: () => Promise<unknown>): Promise<void> => {
    const mine = marking.then(work).then(() => undefined);
    marking = mine.catch(() => undefined);
    return mine;
  };

  async function append(entry: AuditEntry): Promise<void> {
    await writer.append(entryText({ ...entry, node: entry.node ?? node }));
    if (queued || (writer.head()?.seq ?? 0) - marked < CHECKPOINT_EVERY) return;
    queued = true;
    void marks(mark).finally(() => (queued = false));
  }

  async function fromEvent(event: StewardEvent): Promise<void> {
    const entry = entryOf(event);
    await append({ ...entry, node: entry.node === undefined ? undefined : await nodeName(entry.node) });
  }

  async function verify(): Promise<AuditReport> {
    await writer.drained();
    return await verifyAudit({ db, key, checkpointFile, places });
  }

  const jobs: SystemJob[] = [
    {
      name: 'audit-checkpoint',
      summary: 'Writes down outside the database how far the audit log reaches.',
      schedule: { every: '1m' },
      run: () => marks(mark),
    },
    {
      name: 'audit-checkpoint-thinning',
      summary:
        'Keeps of the checkpoints on this machine those of the last day, one an hour of the last month, one a day before.',
      schedule: { every: '1h' },
      run: (context) => marks(() => thin(checkpointFile, context.now)),
    },
    {
      name: 'audit-verification',
      summary: 'Reads the whole audit log of this node, and opens an incident where it is not what was written.',
      schedule: { cron: '40 4 * * *' },
      async run() {
        const report = await verify();
        if (!report.ok) await deps.onBroken?.(report);
      },
    },
  ];

  return {
    name: 'audit',
    jobs,
    append,
    verify,
    follow: (follower) => feed.follow(follower),
    deliveries: () => deliveriesOf(feed, { places: configured, forward }),
    operations: auditOperations({
      db,
      audit: { append },
      verify,
      deliveries: () => deliveriesOf(feed, { places: configured, forward }),
    }),
    async start() {
      consumer = store.events.consume({ consumer: 'audit', types: RECORDED_EVENTS, handle: fromEvent });
      for (const follower of [...places.followers, ...forward.map(forwardTo)]) feed.follow(follower);
    },
    async stop() {
      await consumer?.stop();
      await writer.drained();
      await marks(mark);
      await feed.stop();
      if (writer.head()) await places.lastWords();
    },
  };
}
