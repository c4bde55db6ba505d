import { type Kysely, sql, type Transaction } from 'kysely';
import { z } from 'zod';
import { StewardError } from '../core/errors.ts';
import type { NoTables } from '../store/connection.ts';
import type { Store } from '../store/store.ts';
import { hashOfSecret, newJoinToken, open, parseJoinToken, sameHash, seal } from './join-token.ts';
import type { EngineTables } from './tables.ts';

/** What a new node needs to become one of several, sealed for the holder of its token. */
export const HandOver = z.object({
  databaseUrl: z.string().min(1),
  /** Opens what any node sealed in the store. */
  vaultKey: z.string().regex(/^[0-9a-f]{64}$/),
});
export type HandOver = z.output<typeof HandOver>;

export interface Invitations {
  /** PRECONDITION_FAILED where the store is one that no other machine can reach. */
  create(request: {
    readonly expiresMs: number;
    readonly databaseUrl?: string | undefined;
    readonly by: string;
  }): Promise<{ readonly token: string; readonly expiresAt: Date; readonly command: string; readonly note?: string }>;
  /** For whoever can open it; undefined where there is none, or it is over. */
  sealed(id: string): Promise<string | undefined>;
}

interface InvitationDeps {
  readonly store: Pick<Store, 'db' | 'mode' | 'databaseUrl'>;
  readonly vaultKey: string;
  /** Where people reach this Steward; undefined where only this machine does. */
  readonly publicUrl: () => string | undefined;
}

export function createInvitations({ store, vaultKey, publicUrl }: InvitationDeps): Invitations {
  const db = store.db.withTables<EngineTables>();
  return {
    async create({ expiresMs, databaseUrl = store.databaseUrl, by }) {
      if (store.mode === 'bundled')
        throw new StewardError(
          'PRECONDITION_FAILED',
          'This Steward keeps everything in the PostgreSQL that it brings, which answers on a socket of this machine only: no other machine can join it.',
          { hint: 'Several nodes need a PostgreSQL of yours: set STEWARD_DATABASE_URL. See docs/guides/nodes.md.' },
        );
      const { id, secret, text } = newJoinToken();
      const { expires_at: expiresAt } = await db
        .insertInto('node_invites')
        .values({
          id,
          secret_hash: hashOfSecret(secret),
          sealed: seal({ id, secret }, JSON.stringify({ databaseUrl, vaultKey } satisfies HandOver)),
          created_by: by,
          created_at: sql<Date>`clock_timestamp()`,
          expires_at: sql<Date>`clock_timestamp() + ${`${expiresMs} milliseconds`}::interval`,
          used_by: null,
          used_at: null,
        })
        .returning('expires_at')
        .executeTakeFirstOrThrow();
      const notes = [
        isLocal(databaseUrl) &&
          'The address of the database names this machine itself: from another one, invite with --database-url and the address that it has there.',
      ];
      const from = publicUrl();
      if (from === undefined)
        notes.push(
          'No other machine reaches this Steward (server.publicUrl is not set), so the new one needs the address of the database, too.',
        );
      const note = notes.filter((text) => text !== false).join(' ');
      return {
        token: text,
        expiresAt,
        command: `steward node join ${from ?? '--database-url "$STEWARD_DATABASE_URL"'} --token ${text}`,
        ...(note !== '' && { note }),
      };
    },
    async sealed(id) {
      const row = await db
        .selectFrom('node_invites')
        .select('sealed')
        .where('id', '=', id)
        .where('used_by', 'is', null)
        .where('expires_at', '>', sql<Date>`clock_timestamp()`)
        .executeTakeFirst();
      return row?.sealed;
    },
  };
}

/** `handOver`: what the inviting node gave along. */
export interface Admission {
  readonly how: 'known' | 'first' | 'invited';
  readonly invitation?: string;
  readonly handOver?: HandOver;
}

export interface Applicant {
  readonly id: string;
  readonly name: string;
  readonly token?: string | undefined;
}

/** Before anything is migrated: a stranger must not leave a trace in a store that others use. Throws where it is one. */
export async function assertWelcome(db: Kysely<NoTables>, applicant: Applicant): Promise<void> {
  const { rows } = await sql<{ nodes: string | null; invites: string | null }>`
    select to_regclass('nodes')::text as nodes, to_regclass('node_invites')::text as invites`.execute(db);
  if (!rows[0]?.nodes) return;
  const tables = db.withTables<EngineTables>();
  if (await isKnown(tables, applicant)) return;
  if (await isEmpty(tables)) return;
  if (applicant.token === undefined) throw stranger(applicant);
  if (!rows[0].invites)
    throw new StewardError(
      'PRECONDITION_FAILED',
      'The nodes of this store run a Steward that cannot invite others yet.',
      {
        hint: 'Update one of them first, then invite this machine there: steward node invite',
      },
    );
  await invitationOf(tables, applicant, applicant.token);
}

/**
 * One more node, or one that is known: the first on a store comes as it is, every other brings a token that has not been used.
 * FORBIDDEN where it has none, or a wrong one.
 */
export async function admit(
  store: Pick<Store, 'db' | 'events'>,
  applicant: Applicant & { readonly version: string },
): Promise<Admission> {
  const db = store.db.withTables<EngineTables>();
  if (await isKnown(db, applicant)) return { how: 'known' };
  return await db.transaction().execute(async (trx) => {
    // Of two that begin on an empty store at once only one is the first.
    await sql`lock table nodes in share row exclusive mode`.execute(trx);
    const first = await isEmpty(trx);
    if (!first && applicant.token === undefined) throw stranger(applicant);
    const invited = first || applicant.token === undefined ? undefined : await redeem(trx, applicant, applicant.token);
    const at = sql<Date>`clock_timestamp()`;
    await trx
      .insertInto('nodes')
      .values({
        id: applicant.id,
        name: applicant.name,
        version: applicant.version,
        labels: '{}',
        // Alive once it beats.
        state: 'left',
        started_at: at,
        last_heartbeat: at,
      })
      .execute();
    await store.events.append(trx, {
      type: 'node.joined',
      subject: { kind: 'node', id: applicant.id },
      data: { node: applicant.id, name: applicant.name },
      node: applicant.id,
    });
    return invited ? { how: 'invited', ...invited } : { how: 'first' };
  });
}

async function redeem(
  trx: Transaction<EngineTables>,
  applicant: Applicant,
  token: string,
): Promise<{ invitation: string; handOver: HandOver }> {
  const { id, sealed } = await invitationOf(trx, applicant, token);
  await trx
    .updateTable('node_invites')
    .set({ used_by: applicant.id, used_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .execute();
  return { invitation: id, handOver: HandOver.parse(JSON.parse(open(parseJoinToken(token), sealed))) };
}

async function invitationOf(
  db: Kysely<EngineTables>,
  { id: nodeId }: Applicant,
  text: string,
): Promise<{ id: string; sealed: string }> {
  const token = parseJoinToken(text);
  const row = await db
    .selectFrom('node_invites')
    .select(['id', 'secret_hash', 'sealed', 'used_by', sql<boolean>`expires_at > clock_timestamp()`.as('valid')])
    .where('id', '=', token.id)
    .executeTakeFirst();
  const refused = (why: string): StewardError =>
    new StewardError('FORBIDDEN', `The token to join with ${why}.`, {
      hint: 'Make another one on a node that runs: steward node invite',
    });
  if (!row || !sameHash(row.secret_hash, hashOfSecret(token.secret))) throw refused('is not one of this store');
  if (row.used_by !== null && row.used_by !== nodeId) throw refused('was used by another node');
  if (row.used_by !== null) throw refused('was used before');
  if (!row.valid) throw refused('has expired');
  return row;
}

async function isKnown(db: Kysely<EngineTables>, { id }: Applicant): Promise<boolean> {
  return (await db.selectFrom('nodes').select('id').where('id', '=', id).executeTakeFirst()) !== undefined;
}

async function isEmpty(db: Kysely<EngineTables>): Promise<boolean> {
  return (await db.selectFrom('nodes').select('id').limit(1).executeTakeFirst()) === undefined;
}

function stranger({ name }: Applicant): StewardError {
  return new StewardError('FORBIDDEN', `The database belongs to other nodes already, and ${name} was not invited.`, {
    hint: 'On a node that runs: steward node invite. Then here what it prints, or start once with STEWARD_JOIN_TOKEN. Should this be a node that lost its data folder, put its node-id back.',
  });
}

function isLocal(databaseUrl: string): boolean {
  const url = new URL(databaseUrl);
  const host = url.searchParams.get('host') ?? url.hostname;
  return host === '' || host.startsWith('/') || /^(localhost|127\.[\d.]+|\[?::1\]?)$/.test(host);
}
