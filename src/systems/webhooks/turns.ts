import { sql, type Transaction } from 'kysely';
import { LOCK_SPACE } from '../../store/session.ts';
import type { WebhookTables } from './tables.ts';

/** Whose turn it is: of a paused type nobody's, and of those with one key only the first one's that is not over. */
export interface Turns {
  /** Whether something may be told of it now; whoever gets a yes for a key has it until its delivery is over. */
  take(delivery: { readonly type: string; readonly key?: string | null | undefined }): boolean;
}

/** One after the other, whichever node decides, until the transaction ends. */
export async function lockTurns(trx: Transaction<WebhookTables>): Promise<void> {
  await sql`select pg_advisory_xact_lock(${sql.lit(LOCK_SPACE)}, hashtext('webhook turns'))`.execute(trx);
}

/** Dead ones keep the others with their key waiting where their type wants it so. */
export async function turnsOf(
  trx: Transaction<WebhookTables>,
  keys: readonly { readonly type: string; readonly key: string }[],
  waitsForDead: (type: string) => boolean,
): Promise<Turns> {
  const pauses = await trx.selectFrom('webhook_pauses').select('type').execute();
  const paused = new Set(pauses.map(({ type }) => type));
  const taken = new Set<string>();
  if (keys.length > 0) {
    await lockTurns(trx);
    const { rows } = await sql<{ type: string; key: string; state: string }>`
      select type, key, state from webhook_deliveries where state <> 'told' and (type, key) in (
        select * from unnest(${keys.map(({ type }) => type)}::text[], ${keys.map(({ key }) => key)}::text[]))`.execute(
      trx,
    );
    for (const { type, key, state } of rows) if (state !== 'dead' || waitsForDead(type)) taken.add(nameOf(type, key));
  }
  return {
    take({ type, key }) {
      if (key === undefined || key === null) return !paused.has(type);
      const name = nameOf(type, key);
      const free = !paused.has(type) && !taken.has(name);
      taken.add(name);
      return free;
    },
  };
}

const nameOf = (type: string, key: string): string => `${type} ${key}`;
