import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { StewardError } from '../../core/errors.ts';
import { parseCredential, type PlaceCredential } from '../../../edge/handlers/probe/credential.ts';
import type { PlaceRow, PlaceTables } from './tables.ts';

/** A token that nobody used for so long is of no use any more. */
const UNUSED_MS = 30 * 86_400_000;
/** Until it says something else; workers and scripts do not come more often. */
export const EVERY_MS = 5 * 60_000;

/** The places that there are, and who is let in as one of them. */
export interface Roster {
  all(): Promise<PlaceRow[]>;
  byName(name: string): Promise<PlaceRow | undefined>;
  /** A new place, or a new invitation for one that there is: with it the token it has ends, and it was not heard yet. */
  invite(request: {
    readonly name: string;
    readonly by: string;
    readonly until: Date;
  }): Promise<Pick<PlaceCredential, 'id' | 'secret'>>;
  /** The token at once, for what cannot use an invitation. */
  enroll(request: { readonly name: string; readonly by: string }): Promise<Pick<PlaceCredential, 'id' | 'secret'>>;
  /** Once; and once more where the answer to the same request was lost. */
  join(invitation: string, tokenHash: string): Promise<PlaceRow>;
  /** UNAUTHENTICATED where it is no place's, or not any more. */
  authenticate(token: string): Promise<PlaceRow>;
  remove(id: string): Promise<void>;
}

export const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

export function createRoster({ db, now }: { readonly db: Kysely<PlaceTables>; readonly now: () => Date }): Roster {
  const byName = (name: string): Promise<PlaceRow | undefined> =>
    db.selectFrom('places').selectAll().where('name', '=', name).where('removed_at', 'is', null).executeTakeFirst();

  async function put(
    { name, by }: { readonly name: string; readonly by: string },
    credential: Pick<PlaceRow, 'invitation_hash' | 'invitation_until' | 'token_hash' | 'joined_at'>,
  ): Promise<string> {
    const at = now();
    const { id } = await db
      .insertInto('places')
      .values({
        id: randomBytes(10).toString('hex'),
        name,
        invited_by: by,
        invited_at: at,
        ...credential,
        config_version: 0,
        config_hash: '',
        every_ms: EVERY_MS,
        kinds: JSON.stringify(['http']),
        clock_offset_ms: 0,
        backlog: 0,
        dropped: 0,
      })
      .onConflict((conflict) =>
        conflict
          .column('name')
          .where('removed_at', 'is', null)
          .doUpdateSet({ ...credential, invited_by: by, invited_at: at, seen_at: null, well_at: null }),
      )
      .returning('id')
      .executeTakeFirstOrThrow();
    return id;
  }

  return {
    all: () => db.selectFrom('places').selectAll().where('removed_at', 'is', null).orderBy('name').execute(),
    byName,

    async invite({ name, by, until }) {
      const secret = randomBytes(32).toString('hex');
      const id = await put(
        { name, by },
        { invitation_hash: hashOf(secret), invitation_until: until, token_hash: null, joined_at: null },
      );
      return { id, secret };
    },

    async enroll({ name, by }) {
      const secret = randomBytes(32).toString('hex');
      const id = await put(
        { name, by },
        { invitation_hash: null, invitation_until: null, token_hash: hashOf(secret), joined_at: now() },
      );
      return { id, secret };
    },

    async join(text, tokenHash) {
      const refused = new StewardError('FORBIDDEN', 'There is no such invitation; it was used, or has expired.', {
        hint: 'Make another one: steward probe invite NAME',
      });
      const invitation = parseCredential(text);
      if (invitation?.kind !== 'invitation') throw refused;
      return await db.transaction().execute(async (trx) => {
        const row = await trx
          .selectFrom('places')
          .selectAll()
          .where('id', '=', invitation.id)
          .where('removed_at', 'is', null)
          .forUpdate()
          .executeTakeFirst();
        if (!row?.invitation_hash || !isSame(row.invitation_hash, hashOf(invitation.secret))) throw refused;
        if (row.token_hash !== null) {
          if (isSame(row.token_hash, tokenHash)) return row;
          throw refused;
        }
        if (!row.invitation_until || row.invitation_until < now()) throw refused;
        await trx
          .updateTable('places')
          .set({ token_hash: tokenHash, joined_at: now() })
          .where('id', '=', row.id)
          .execute();
        return row;
      });
    },

    async authenticate(text) {
      const token = parseCredential(text);
      const row =
        token?.kind === 'token'
          ? await db
              .selectFrom('places')
              .selectAll()
              .where('id', '=', token.id)
              .where('removed_at', 'is', null)
              .executeTakeFirst()
          : undefined;
      const used = row?.seen_at ?? row?.joined_at;
      if (
        token &&
        row?.token_hash &&
        isSame(row.token_hash, hashOf(token.secret)) &&
        used &&
        now().getTime() - used.getTime() < UNUSED_MS
      )
        return row;
      throw new StewardError('UNAUTHENTICATED', 'This token is that of no place, or not any more.', {
        hint: 'Invite it anew: steward probe invite NAME',
      });
    },

    async remove(id) {
      await db
        .updateTable('places')
        .set({ removed_at: now(), token_hash: null, invitation_hash: null })
        .where('id', '=', id)
        .execute();
      await sql`delete from place_sightings where place_id = ${id}`.execute(db);
    },
  };
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
