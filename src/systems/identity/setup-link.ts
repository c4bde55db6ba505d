import { type Kysely, sql } from 'kysely';
import { StewardError } from '../../core/errors.ts';
import type { Store } from '../../store/store.ts';
import { insertUser, type UserRow } from './accounts.ts';
import { readPrivate, removePrivate, writePrivate } from './private-file.ts';
import { hashSecret, randomText } from './secrets.ts';
import type { IdentityTables } from './tables.ts';

/** The way in where no admin exists: whoever can read the console or the 0600 file becomes the first admin. */
export function createSetupLink({
  store,
  file,
  node,
  now,
}: {
  store: Store;
  file: string;
  node: string;
  now: () => Date;
}) {
  const db = store.db.withTables<IdentityTables>();

  const pending = async (on: Kysely<IdentityTables> = db): Promise<boolean> =>
    (await on.selectFrom('users').select('id').where('role', '=', 'admin').limit(1).executeTakeFirst()) === undefined;

  return {
    pending: () => pending(),

    /** The link, the same one until it is used; undefined where there is an admin. */
    async ensure(baseUrl: string): Promise<string | undefined> {
      if (!(await pending())) {
        await removePrivate(file);
        return undefined;
      }
      const written = (await readPrivate(file))?.split('#')[1]?.trim();
      const valid =
        written !== undefined &&
        (await db.selectFrom('setup_links').select('hash').where('hash', '=', hashSecret(written)).executeTakeFirst());
      const token = valid ? written : randomText(32);
      if (!valid)
        await db
          .insertInto('setup_links')
          .values({ hash: hashSecret(token), node, created_at: now() })
          .execute();
      const link = `${baseUrl.replace(/\/$/, '')}/setup#${token}`;
      await writePrivate(file, `${link}\n`);
      return link;
    },

    /** Makes the first admin. The lock lets two who hold the link not both become it. */
    async use({ token, name, password }: { token: string; name: string; password: string }): Promise<UserRow> {
      const user = await db.transaction().execute(async (trx) => {
        await sql`lock table setup_links in exclusive mode`.execute(trx);
        const link = await trx
          .selectFrom('setup_links')
          .select('hash')
          .where('hash', '=', hashSecret(token))
          .executeTakeFirst();
        // The first admin may have come another way; the link stands in a log for as long as that is kept.
        if (!link || !(await pending(trx))) {
          throw new StewardError('UNAUTHENTICATED', 'This set-up link is not valid, or it was used.', {
            hint: 'The valid one stands in the file setup-link in the home of Steward; on the machine, steward admin create works as well.',
          });
        }
        const made = await insertUser(trx, { name, role: 'admin', password, createdBy: 'setup', now: now() });
        await trx.deleteFrom('setup_links').execute();
        return made.user;
      });
      await removePrivate(file);
      return user;
    },
  };
}
