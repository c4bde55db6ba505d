import { type Transaction, sql } from 'kysely';
import type { AuditFeed, AuditRecord } from '../../core/audit.ts';
import type { Incidents, Severity } from '../../core/incident.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Log } from '../../core/log.ts';
import type { System } from '../../core/system.ts';
import type { Store } from '../../store/store.ts';
import { type Sighting, sightingsIn } from './sightings.ts';
import type { SecurityTables } from './tables.ts';
import { count, WINDOW_MS } from './windows.ts';

export interface SecurityDeps {
  readonly store: Pick<Store, 'db' | 'events'>;
  readonly records: AuditFeed;
  readonly incidents: Pick<Incidents, 'open'>;
  readonly node: { readonly id: string };
  readonly now: () => Date;
  readonly log: Log;
}

/** After an outage nobody is called about what is long over. */
const OLD_NEWS_MS = 3_600_000;
/** A credential that was seen at so many places is one that travels. */
const TRAVELS = 5;
const KEEP_MS = 90 * 86_400_000;

interface Anomaly {
  readonly kind: 'refusals' | 'revoked-credential' | 'lock-out' | 'new-address';
  readonly subject: string;
  readonly title: string;
  readonly severity: Severity;
  readonly data: JsonObject;
}

type Trx = Transaction<SecurityTables>;

/** Reads the record of who was turned away, and tells a person where that is more than a mistake explains. */
export function createSecurity({ store, records, incidents, node, now, log }: SecurityDeps): System {
  const db = store.db.withTables<SecurityTables>();
  let following: { stop(): Promise<void> } | undefined;

  async function handle(batch: readonly AuditRecord[]): Promise<void> {
    for (const record of batch) {
      if (record.at.getTime() < now().getTime() - OLD_NEWS_MS) continue;
      for (const sighting of sightingsIn(record)) await notice(sighting, record);
    }
  }

  async function notice(sighting: Sighting, record: AuditRecord): Promise<void> {
    const anomaly = await db.transaction().execute((trx) => examine(trx, sighting, record));
    if (!anomaly) return;
    const { kind, subject, title, severity, data } = anomaly;
    // With a colon it would look like a secret to whoever looks for some.
    const evidence = {
      ...data,
      kind,
      subject: subject.replaceAll(':', ' '),
      action: record.action,
      from: record.from,
      seq: record.seq,
    };
    // First, because it may happen twice and then only counts one more; the event may not.
    await incidents.open({
      fingerprint: `security.anomaly:${kind}:${subject}`,
      title,
      symptom: 'security.anomaly',
      severity,
      evidence,
    });
    await db.transaction().execute(async (trx) => {
      await trx.updateTable('security_subjects').set({ told_at: record.at }).where('subject', '=', subject).execute();
      await store.events.append(trx, {
        type: 'security.anomaly',
        subject: subjectOf(subject),
        node: node.id,
        data: { ...evidence, title },
      });
    });
    log.warn('security anomaly', { kind, subject, from: record.from });
  }

  async function examine(trx: Trx, sighting: Sighting, record: AuditRecord): Promise<Anomaly | undefined> {
    if (sighting.kind === 'address') return await newAddress(trx, sighting, record);
    const { subject, name } = sighting;
    const row = await trx
      .selectFrom('security_subjects')
      .selectAll()
      .where('subject', '=', subject)
      .forUpdate()
      .executeTakeFirst();
    const toldLately = (row?.told_at?.getTime() ?? 0) > record.at.getTime() - WINDOW_MS;
    const known = row && { at: row.window_at, count: row.count, before: row.before, usual: row.usual };
    if (sighting.kind !== 'refusal') {
      await keep(trx, subject, known ?? { at: record.at, count: 0, before: 0, usual: 0 });
      if (toldLately) return undefined;
      return sighting.kind === 'lock-out'
        ? {
            kind: 'lock-out',
            subject,
            title: `Somebody at ${name} guessed at passwords until they were locked out`,
            severity: 'warning',
            data: { name: record.actor.name },
          }
        : {
            kind: 'revoked-credential',
            subject,
            title: `The token ${name} was used from ${record.from} although it is revoked`,
            severity: 'critical',
            data: { name },
          };
    }
    const { windows, recent, limit } = count(known, record.at, sighting.least);
    await keep(trx, subject, windows);
    if (recent < limit || toldLately) return undefined;
    const who = subject.startsWith('address:') ? `Whoever sends from ${name}` : `${name} (${record.actor.role})`;
    return {
      kind: 'refusals',
      subject,
      title: `${who} was turned away ${recent} times within 10 minutes`,
      severity: 'warning',
      data: { name, refusals: recent, limit, usual: Math.round(windows.usual * 10) / 10 },
    };
  }

  async function keep(
    trx: Trx,
    subject: string,
    { at, count: number, before, usual }: { at: Date; count: number; before: number; usual: number },
  ): Promise<void> {
    const row = { window_at: at, count: number, before, usual };
    await trx
      .insertInto('security_subjects')
      .values({ subject, ...row, told_at: null })
      .onConflict((conflict) => conflict.column('subject').doUpdateSet(row))
      .execute();
  }

  /** A first place is where it belongs; a further one is worth a look, unless it is one that travels. */
  async function newAddress(
    trx: Trx,
    { subject, name, network }: Extract<Sighting, { kind: 'address' }>,
    record: AuditRecord,
  ): Promise<Anomaly | undefined> {
    const known = await trx.selectFrom('security_addresses').select('network').where('actor', '=', subject).execute();
    const { rows } = await sql<{ fresh: boolean }>`
      insert into security_addresses (actor, network, first_seen, last_seen)
      values (${subject}, ${network}, ${record.at}, ${record.at})
      on conflict (actor, network) do update set last_seen = excluded.last_seen
      returning (xmax = 0) as fresh`.execute(trx);
    if (!rows[0]?.fresh || known.length === 0 || known.length >= TRAVELS) return undefined;
    return {
      kind: 'new-address',
      subject,
      title: `The token ${name} was used from ${record.from} for the first time`,
      severity: 'warning',
      data: { name, known: known.map((each) => each.network).slice(0, TRAVELS) },
    };
  }

  return {
    name: 'security',
    operations: [],
    jobs: [
      {
        name: 'security-upkeep',
        summary: 'Forgets who was turned away, and from where credentials were used, three months ago.',
        schedule: { every: '1d' },
        async run(context) {
          const before = new Date(context.now.getTime() - KEEP_MS);
          await db.deleteFrom('security_subjects').where('window_at', '<', before).execute();
          await db.deleteFrom('security_addresses').where('last_seen', '<', before).execute();
        },
      },
    ],
    async start() {
      following = records.follow({ name: 'security', handle });
    },
    async stop() {
      await following?.stop();
    },
  };
}

/** `actor:token:ab12` is about a token. */
function subjectOf(subject: string): { kind: string; id: string } {
  const at = subject.indexOf(':');
  return { kind: subject.slice(0, at), id: subject.slice(at + 1) };
}
