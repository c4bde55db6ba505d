import type { Kysely } from 'kysely';
import type { AnyOperation } from '../../core/operation.ts';
import { sessionOperations } from './operations-sessions.ts';
import { tokenOperations } from './operations-tokens.ts';
import { userOperations } from './operations-users.ts';
import type { IdentityTables } from './tables.ts';

export function identityOperations(db: Kysely<IdentityTables>): readonly AnyOperation[] {
  return [...tokenOperations(db), ...userOperations(db), ...sessionOperations(db)];
}
