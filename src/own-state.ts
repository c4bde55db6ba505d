import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kysely } from 'kysely';
import { createVault } from './adapters/vault/index.ts';
import type { OwnState, OwnStore, RestoredState } from './adapters/sources/steward/own-state.ts';
import type { Log } from './core/log.ts';
import type { Vault } from './core/vault.ts';
import { createKysely, createPool, type NoTables } from './store/connection.ts';
import { installBinaries } from './store/pg-binaries.ts';
import { readPassword, ROLE } from './store/pg-cluster.ts';
import { pgHome } from './store/pg-home.ts';
import { openAccess } from './systems/endpoints/access.ts';
import type { EndpointTables } from './systems/endpoints/tables.ts';
import { verifyAudit } from './systems/audit/verify.ts';
import type { AuditTables } from './systems/audit/tables.ts';
import type { IdentityTables } from './systems/identity/tables.ts';
import { totpContext } from './systems/identity/totp.ts';
import { unseal } from './systems/recipes/rows.ts';
import type { RecipesTables } from './systems/recipes/tables.ts';

export interface OwnStateOf {
  readonly home: string;
  readonly configuration: () => string;
  readonly never: () => readonly string[];
  /** STEWARD_DATABASE_URL, where the store is not Steward's own. */
  readonly external: boolean;
  readonly log: Log;
}

/** What this Steward has of its own: for its backup, and for whoever restores it. */
export function ownState({ home, configuration, never, external, log }: OwnStateOf): OwnState {
  return {
    home,
    configuration,
    never,
    store: async () => (external ? undefined : await bundledStore(home)),
    opens: (restored) => opens(restored, log),
  };
}

/** Steward's own PostgreSQL of a home, whether it runs or not. */
export async function bundledStore(home: string): Promise<OwnStore> {
  const paths = pgHome(home);
  const { folder, version } = await installBinaries(paths);
  return {
    access: {
      host: paths.socketDir,
      port: 5432,
      user: ROLE,
      password: await readPassword(paths),
      tls: 'disable',
      ca: undefined,
    },
    data: paths.data,
    program: join(folder, 'bin', 'postgres'),
    version,
  };
}

/** Reads the audit log of the restored store with its key, and opens what was sealed with the other. */
async function opens({ access, home, keys }: RestoredState, log: Log): ReturnType<OwnState['opens']> {
  const key = async (name: string): Promise<Buffer> =>
    Buffer.from((await readFile(join(keys, name), 'utf8')).trim(), 'hex');
  const { db, close } = openRestored(access, log);
  try {
    const audit = await verifyAudit({
      db: db.withTables<AuditTables>(),
      key: await key('audit.key'),
      checkpointFile: join(home, 'audit-checkpoints.jsonl'),
      // What was written elsewhere since the copy was made is more than a copy can have.
      places: { read: async () => [] },
    });
    const sealed = await openAll(db.withTables<SealedTables>(), createVault({ key: await key('vault.key') }));
    const evidence = {
      records: audit.records,
      checkpoints: audit.checkpoints,
      sealed: sealed.all,
      others: sealed.others,
    };
    if (audit.problem)
      return { ok: false, statement: `the audit log is not what was written: ${audit.problem.message}`, evidence };
    if (sealed.closed > 0)
      return { ok: false, statement: `${sealed.closed} of ${sealed.all} sealed values cannot be opened.`, evidence };
    return {
      ok: true,
      statement: `all ${audit.records} records of the audit log are as written, and all ${sealed.all} sealed values open.`,
      evidence,
    };
  } finally {
    await close();
  }
}

/** Queries on a restored store, as the role of Steward. */
export function openRestored(
  { host }: Pick<OwnStore['access'], 'host'>,
  log: Log,
): { readonly db: Kysely<NoTables>; close(): Promise<void> } {
  // Who may enter its folder may enter it: no password is asked.
  const { pool } = createPool(`postgresql://${ROLE}@localhost/postgres?host=${encodeURIComponent(host)}`, log, {
    size: 2,
  });
  return { db: createKysely(pool), close: () => pool.end() };
}

type SealedTables = RecipesTables & IdentityTables & EndpointTables;

async function openAll(
  db: Kysely<SealedTables>,
  vault: Vault,
): Promise<{ readonly all: number; readonly closed: number; readonly others: number }> {
  const recipes = await db.selectFrom('launch_recipes').selectAll().execute();
  const factors = await db.selectFrom('user_totp').select(['user_id', 'key_id', 'sealed']).execute();
  const endpoints = await db
    .selectFrom('webhook_endpoints')
    .select(['id', 'key_id', 'sealed'])
    .where('sealed', 'is not', null)
    .execute();
  // What another key sealed was closed to this Steward when the copy was made.
  const own = [
    ...recipes.filter(({ key_id }) => key_id === vault.keyId).map((row) => unseal(vault, row)),
    ...factors
      .filter(({ key_id }) => key_id === vault.keyId)
      .map(({ sealed, user_id }) => vault.open(sealed, totpContext(user_id))),
    ...endpoints.filter(({ key_id }) => key_id === vault.keyId).map((row) => openAccess(vault, row)),
  ];
  return {
    all: own.length,
    closed: own.filter((text) => text === undefined).length,
    others: recipes.length + factors.length + endpoints.length - own.length,
  };
}
